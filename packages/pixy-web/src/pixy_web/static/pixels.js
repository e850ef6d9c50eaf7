// How an image's pixels reach an <img>: by its address when everyone may see them, else through fetch, which can send
// the user's credentials.

import { contentPath } from "./api.js";

const WIDTHS = [160, 320, 640, 1280];
const AT_ONCE = 6;
const KEPT = 120;

/** @typedef {{guid: string, visibility: string, width: number}} Image */

export class Pixels {
  #api;
  #files = new Map(); // insertion order is the order of use
  #waiting = [];
  #running = 0;

  constructor(api, session) {
    this.#api = api;
    session.addEventListener("change", () => this.#forget());
  }

  /**
   * Show an image at a width, in CSS pixels; without one the original file.
   *
   * @returns {function(): void} Call it when the element shows something else, or nothing.
   */
  show(img, image, cssWidth = null) {
    if (image.visibility === "public") return showByAddress(img, image, cssWidth);
    const width = cssWidth === null ? null : chooseWidth(cssWidth * window.devicePixelRatio);
    const load = (signal) => this.#api.content(image.guid, width, signal);
    return this.#showByFetch(img, contentPath(image.guid, width), load, width !== null);
  }

  /** @param {boolean} isSmall Whether to keep it a while for when it is shown again. */
  #showByFetch(img, path, load, isSmall) {
    const file = this.#files.get(path) ?? { users: 0, url: null, end: new AbortController() };
    this.#files.delete(path);
    this.#files.set(path, file);
    file.users += 1;
    file.loaded ??= this.#queue(() => load(file.end.signal)).then((blob) => {
      file.url = URL.createObjectURL(blob);
      if (file.end.signal.aborted) URL.revokeObjectURL(file.url);
    });
    // what failed is not kept: the next who asks tries again
    file.loaded.catch(() => this.#files.get(path) === file && this.#files.delete(path));
    let isWanted = true;
    file.loaded.then(
      () => isWanted && (img.src = file.url),
      () => isWanted && img.dispatchEvent(new Event("error")),
    );
    return () => {
      isWanted = false;
      file.users -= 1;
      if (file.users === 0 && !(isSmall && file.url)) this.#drop(path);
      this.#trim();
    };
  }

  /** Run a download when a place is free; the one asked for last comes first, because it is what is looked at. */
  #queue(download) {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => download().then(resolve, reject));
      this.#runNext();
    });
  }

  #runNext() {
    if (this.#running >= AT_ONCE || this.#waiting.length === 0) return;
    this.#running += 1;
    this.#waiting.pop()().finally(() => {
      this.#running -= 1;
      this.#runNext();
    });
  }

  #trim() {
    const unused = [...this.#files].filter(([, file]) => file.users === 0);
    for (const [path] of unused.slice(0, Math.max(0, unused.length - KEPT))) this.#drop(path);
  }

  #drop(path) {
    const file = this.#files.get(path);
    if (!file) return;
    this.#files.delete(path);
    file.end.abort();
    if (file.url !== null) URL.revokeObjectURL(file.url);
  }

  /** Drop everything that was fetched, so that nothing of it outlives its user's session. */
  #forget() {
    this.#waiting = [];
    for (const path of [...this.#files.keys()]) this.#drop(path);
  }
}

function showByAddress(img, image, cssWidth) {
  if (cssWidth === null) {
    img.removeAttribute("srcset");
    img.src = contentPath(image.guid);
  } else {
    img.sizes = `${Math.ceil(cssWidth)}px`;
    img.srcset = ""; // the same text again would load nothing
    img.srcset = WIDTHS.map((width) => `${contentPath(image.guid, width)} ${width}w`).join(", ");
  }
  return () => {};
}

function chooseWidth(pixels) {
  return WIDTHS.find((width) => width >= pixels) ?? WIDTHS.at(-1);
}
