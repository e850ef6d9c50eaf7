// The viewer: one picture in full, over the grid. Its actions are in details.js.

import { isAborted } from "./api.js";
import { find, shorten } from "./element.js";
import { explain } from "./problem.js";
import { readRoute } from "./route.js";
import { followSwipes } from "./swipe.js";

const THUMBNAIL = 300; // about as wide as on the grid, CSS pixels

export class Viewer {
  #root = find("viewer");
  #img = find("viewer-image");
  #image = null;
  #release = () => {};
  #releaseNeighbours = () => {};
  #opening = new AbortController();

  constructor({ api, collection, pixels, route, session, grid, details, messages }) {
    Object.assign(this, { api, collection, pixels, route, session, grid, details, messages });
    find("previous").addEventListener("click", () => this.#step(-1));
    find("next").addEventListener("click", () => this.#step(1));
    find("close").addEventListener("click", () => this.route.leaveImage());
    find("stage").addEventListener("click", ({ target }) => target.id === "stage" && this.route.leaveImage());
    this.#root.addEventListener("keydown", (event) => this.#onKey(event));
    // Escape: the address decides what is open
    this.#root.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.route.leaveImage();
    });
    find("viewer-again").addEventListener("click", () => this.#reopen());
    window.addEventListener("online", () => find("viewer-again").checkVisibility() && this.#reopen());
    this.#img.addEventListener("load", () => this.#img.classList.add("loaded"));
    followSwipes(find("stage"), (step) => this.#step(step));
    route.addEventListener("change", () => this.follow());
    session.addEventListener("change", () => this.#reopen());
    collection.addEventListener("change", () => this.#update());
    details.onGone = (guid, error) => this.#lose(guid, error);
  }

  /** Show the picture of the address. */
  async follow() {
    const { guid } = readRoute();
    if (guid === null) this.#close();
    else if (guid !== this.#image?.guid) await this.#open(guid);
  }

  async #open(guid) {
    this.#opening.abort();
    this.#opening = new AbortController();
    const { signal } = this.#opening;
    if (!this.#root.open) {
      this.#root.showModal();
      this.messages.moveTo(this.#root);
      document.documentElement.classList.add("viewing");
    }
    // on phones the whole viewer scrolls, and the next picture is at its top
    this.#root.scrollTop = 0;
    const known = this.collection.find(guid);
    if (known) this.#show(known);
    try {
      const image = await this.api.get(guid, signal);
      if (signal.aborted) return;
      if (!known) this.#show(image);
      // changed meanwhile, in another tab or by its owner
      else if (image.updated_at !== known.updated_at && this.collection.find(guid)) this.collection.put(image);
    } catch (error) {
      if (isAborted(error) || signal.aborted) return;
      if (error.code === "record_not_found") this.#lose(guid, error);
      else if (!known) this.#showFault(guid, error);
    }
  }

  /** Show that a picture is deleted or not visible any more, here and on the grid. */
  #lose(guid, error) {
    this.collection.hide(guid);
    if (this.#image === null || this.#image.guid === guid) this.#showFault(guid, error);
  }

  #show(image) {
    // use the preloaded files of this picture before they are released
    const before = [this.#release, this.#releaseNeighbours];
    this.#release = this.#releaseNeighbours = () => {};
    this.#clear();
    this.#image = image;
    this.#img.alt = shorten(image.prompt, 1000);
    this.#img.style.setProperty("--width", image.width);
    this.#img.style.setProperty("--height", image.height);
    this.#release = this.#showPicture(image);
    this.#releaseNeighbours = this.#prepareNeighbours();
    for (const release of before) release();
    this.details.show(image);
    this.#update();
    this.messages.announce(shorten(image.prompt));
    this.#holdFocus();
  }

  /** Set the focus: its element may have disappeared with a fault or a session. */
  #holdFocus() {
    if (!this.#root.contains(document.activeElement)) find("close").focus();
  }

  /** Show the thumbnail, which the grid has anyway, until the whole file is loaded. */
  #showPicture(image) {
    const releaseThumbnail = this.pixels.show(this.#img, image, THUMBNAIL);
    const whole = new Image();
    let isWanted = true;
    whole.addEventListener("load", () => {
      if (!isWanted) return;
      // a late thumbnail must not replace it
      releaseThumbnail();
      this.#img.src = whole.src;
    });
    whole.addEventListener("error", () => isWanted && this.#tellFault("The picture can’t be loaded.", true));
    const releaseWhole = this.pixels.show(whole, image);
    return () => {
      isWanted = false;
      releaseThumbnail();
      releaseWhole();
    };
  }

  #showFault(guid, error) {
    this.#clear();
    this.#image = { guid };
    this.details.hide();
    const isHidden = error.code === "record_not_found" && this.session.username === null;
    this.#tellFault(
      isHidden
        ? "This picture isn’t public, or was deleted. If it was shared with you, sign in to see it."
        : explain(error),
      error.code !== "record_not_found",
    );
    this.#update();
    this.#holdFocus();
  }

  #tellFault(text, isPassing) {
    find("unavailable").hidden = false;
    find("viewer-again").hidden = !isPassing;
    find("viewer-sign-in").hidden = isPassing;
    find("viewer-fault").textContent = text;
  }

  #clear() {
    this.#release();
    this.#releaseNeighbours();
    this.#release = this.#releaseNeighbours = () => {};
    this.#img.classList.remove("loaded");
    this.#img.removeAttribute("src");
    this.#img.alt = "";
    find("unavailable").hidden = true;
    this.#image = null;
  }

  #close() {
    if (!this.#root.open) return;
    const guid = this.#image?.guid;
    this.#opening.abort();
    this.#clear();
    this.#root.close();
    this.messages.moveTo(document.body);
    document.documentElement.classList.remove("viewing");
    this.grid.focus(guid);
  }

  /** Load the picture again for the current user, and remove what the previous user saw. */
  #reopen() {
    this.#opening.abort();
    this.#clear();
    this.details.hide();
    if (this.#root.open) this.follow();
  }

  /** Update the neighbours, and this picture if it changed, from the collection. */
  #update() {
    if (this.#image === null) return;
    const index = this.collection.indexOf(this.#image.guid);
    const known = this.collection.images[index];
    if (known && known !== this.#image) {
      this.#image = known;
      this.details.show(known);
    }
    find("previous").hidden = index <= 0;
    find("next").hidden = index < 0 || index === this.collection.images.length - 1;
    const isNearEnd = index >= 0 && index >= this.collection.images.length - 3;
    if (isNearEnd && this.collection.fault === null) this.collection.loadMore();
  }

  #step(step) {
    const index = this.collection.indexOf(this.#image?.guid);
    const image = index >= 0 && this.collection.images[index + step];
    if (image) this.route.replaceImage(image.guid);
  }

  /** Preload the neighbours of this picture, so that stepping to them is instant. */
  #prepareNeighbours() {
    const index = this.collection.indexOf(this.#image.guid);
    const beside = index < 0 ? [] : [this.collection.images[index - 1], this.collection.images[index + 1]];
    const releases = beside.filter(Boolean).map((image) => this.pixels.show(new Image(), image));
    return () => releases.forEach((release) => release());
  }

  #onKey(event) {
    if (event.target.matches("input, select, textarea") || event.altKey || event.ctrlKey || event.metaKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      event.preventDefault();
      this.#step(step);
    }
  }
}
