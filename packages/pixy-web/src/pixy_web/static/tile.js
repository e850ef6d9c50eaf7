// One picture on the grid: a link to it, with its prompt.

import { element, icon, shorten } from "./element.js";
import { AUDIENCES } from "./audiences.js";
import { pathOf } from "./route.js";

// milliseconds until a picture is requested again: a connection may break, or the server may restart
const PAUSES = [1000, 3000, 9000];

export class Tile {
  #release;
  #releaseRough = () => {};
  #showAgain;
  #link;
  #pauses = PAUSES;
  #retry = 0;

  /**
   * @param {object} image Its details.
   * @param {{left: number, top: number, width: number, height: number}} box
   * @param {import("./pixels.js").Pixels} pixels
   * @param {boolean} isBadged Whether to mark pictures that are not public; anonymous visitors see only public ones.
   */
  constructor(image, box, pixels, isBadged) {
    this.image = image;
    this.index = 0;
    const img = element("img", { alt: shorten(image.prompt), loading: "lazy", decoding: "async" });
    img.addEventListener("load", () => {
      this.root.classList.add("loaded");
      delete image.unfinished;
      this.#releaseRough();
    });
    const show = () => pixels.show(img, image, box.width);
    this.#showAgain = () => {
      this.#release();
      this.#release = show();
    };
    img.addEventListener("error", () => {
      const [pause, ...later] = this.#pauses;
      this.#pauses = later;
      if (pause === undefined) this.root.classList.add("broken");
      else this.#retry = setTimeout(this.#showAgain, pause);
    });
    const caption = element("span", { class: "caption", "aria-hidden": "true", dir: "auto" }, shorten(image.prompt));
    this.#link = element("a", { href: pathOf(image.guid), tabindex: -1 }, img, caption);
    if (isBadged && image.visibility !== "public") this.#link.append(badge(image.visibility));
    this.root = element("li", { class: "tile", "data-guid": image.guid }, this.#link);
    this.place(box);
    if (image.unfinished) this.#showRough(image.unfinished);
    this.#release = show();
  }

  /** Show the partial image until the picture is loaded above it. */
  #showRough(blob) {
    const url = URL.createObjectURL(blob);
    this.#link.style.background = `url("${url}") center / cover`;
    this.#releaseRough = () => URL.revokeObjectURL(url);
  }

  /** Request a picture again that could not be loaded. */
  mend() {
    if (!this.root.classList.contains("broken")) return;
    this.root.classList.remove("broken");
    this.#pauses = PAUSES;
    this.#showAgain();
  }

  place({ left, top, width, height }) {
    const { style } = this.root;
    style.transform = `translate(${left}px, ${top}px)`;
    style.width = `${width}px`;
    style.height = `${height}px`;
  }

  /** Set the position of the picture among all; `count` is -1 while it is unknown. */
  number(index, count) {
    this.index = index;
    this.root.setAttribute("aria-posinset", index + 1);
    this.root.setAttribute("aria-setsize", count);
  }

  /** Set whether the Tab key reaches this picture. */
  set isCurrent(isCurrent) {
    this.#link.tabIndex = isCurrent ? 0 : -1;
  }

  get hasFocus() {
    return this.root.contains(document.activeElement);
  }

  focus() {
    this.#link.focus({ preventScroll: true });
  }

  remove() {
    clearTimeout(this.#retry);
    this.root.remove();
    this.#release();
    this.#releaseRough();
  }
}

function badge(visibility) {
  const { name } = AUDIENCES[visibility];
  return element("span", { class: "badge", title: name }, icon(visibility), element("span", { class: "hidden" }, name));
}
