// How an image's pixels reach an <img>. The files of public images load by their address. Everything else is fetched:
// only fetch can send credentials, limit how many requests run at once, and read Retry-After.

import { contentPath } from "./api.js";
import { Downloads } from "./downloads.js";
import { pause } from "./pause.js";

const WIDTHS = [160, 320, 640, 1280];
const KEPT = 120;
const PAUSE = 2; // seconds, if the server sends no Retry-After

/** @typedef {{guid: string, visibility: string, width: number}} Image */

export class Pixels {
  #api;
  #files = new Map(); // insertion order is the order of use
  #downloads = new Downloads();

  constructor(api, session) {
    this.#api = api;
    session.addEventListener("change", () => this.#forget());
  }

  /**
   * Show an image at a width, in CSS pixels; without one the original file.
   *
   * @returns {function(): void} Call it when the element no longer shows the image.
   */
  show(img, image, cssWidth = null) {
    if (cssWidth === null && image.visibility === "public") {
      img.src = contentPath(image.guid);
      return () => {};
    }
    const width = cssWidth === null ? null : chooseWidth(cssWidth * window.devicePixelRatio);
    return this.#showByFetch(img, image, width);
  }

  #showByFetch(img, image, width) {
    const path = contentPath(image.guid, width);
    const file = this.#files.get(path) ?? { users: 0, url: null, end: new AbortController() };
    this.#files.delete(path);
    this.#files.set(path, file);
    file.users += 1;
    file.element = img;
    file.loaded ??= this.#load(file, image, width);
    // failures are not cached: the next request tries again
    file.loaded.catch(() => this.#files.get(path) === file && this.#files.delete(path));
    let isWanted = true;
    file.loaded.then(
      () => isWanted && (img.src = file.url),
      () => isWanted && img.dispatchEvent(new Event("error")),
    );
    return () => {
      if (!isWanted) return;
      isWanted = false;
      file.users -= 1;
      // requests for thumbnails are not aborted: the server makes them anyway, and they are small
      if (file.users === 0 && width === null) this.#drop(path, file);
      this.#trim();
    };
  }

  async #load(file, image, width) {
    const blob = await this.#downloads.run(file, () => this.#fetch(file, image, width));
    file.url = URL.createObjectURL(blob);
    if (file.end.signal.aborted) URL.revokeObjectURL(file.url);
  }

  /** Fetch a file. While the server is busy it keeps its slot, so that no other request is sent instead. */
  async #fetch(file, image, width) {
    const { signal } = file.end;
    for (;;) {
      try {
        return await this.#api.content(image, width, signal);
      } catch (error) {
        if (error.code !== "thumbnails_busy" || file.users === 0) throw error;
        await pause(error.retryAfter ?? PAUSE, signal);
      }
    }
  }

  #trim() {
    const unused = [...this.#files].filter(([, file]) => file.users === 0 && file.url !== null);
    for (const [path, file] of unused.slice(0, Math.max(0, unused.length - KEPT))) this.#drop(path, file);
  }

  #drop(path, file) {
    if (this.#files.get(path) === file) this.#files.delete(path);
    file.end.abort();
    if (file.url !== null) URL.revokeObjectURL(file.url);
  }

  /** Release all fetched files, so that none of them outlives the session of its user. */
  #forget() {
    for (const [path, file] of [...this.#files]) this.#drop(path, file);
  }
}

/** As browsers choose from a srcset: a little less than the window could show, rather than twice as much. */
function chooseWidth(pixels) {
  return WIDTHS.find((width) => width >= 0.8 * pixels) ?? WIDTHS.at(-1);
}
