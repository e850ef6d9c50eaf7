// The partial images of a picture while it is made, each on top of the last.

import { element, shorten } from "./element.js";

export class Preview {
  /** The element; it is invisible until there is a partial image. */
  root = element("div", { class: "preview", hidden: true });
  #creation;
  #shown = null;

  constructor(creation) {
    this.#creation = creation;
  }

  /** Show the creation's latest partial image, if it is a new one. */
  async update() {
    const { partial } = this.#creation;
    if (partial === null || partial === this.#shown) return;
    this.#shown = partial;
    const img = element("img", { alt: `Unfinished: ${shorten(this.#creation.wanted.prompt, 80)}` });
    img.src = URL.createObjectURL(partial);
    const isDecoded = await img.decode().then(
      () => true,
      () => false,
    );
    URL.revokeObjectURL(img.src);
    if (isDecoded && partial === this.#shown) this.#put(img);
  }

  #put(img) {
    // it keeps the shape of the first, so that the next one causes no layout shift
    if (this.root.hidden) this.root.style.setProperty("--ratio", `${img.naturalWidth} / ${img.naturalHeight}`);
    this.root.hidden = false;
    const [before, ...older] = [...this.root.children].reverse();
    for (const each of older) each.remove();
    if (before) before.alt = "";
    this.root.append(img);
  }
}

/** Change the page with a fade, if the browser supports that and the user does not prefer reduced motion. */
export function fade(change) {
  const isMinded = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (isMinded || !document.startViewTransition) change();
  // rejects if the fade is skipped: in a hidden tab, or when another one starts; the page changes anyway
  else document.startViewTransition(change).ready.catch(() => {});
}
