// The images that the page shows, newest first, as far as they are loaded. It knows nothing of how they look.

import { isAborted } from "./api.js";

/** Fires `change` whenever its images, or what it knows about further ones, are other than before. */
export class Collection extends EventTarget {
  /** Loaded images, newest first. */
  images = [];
  /** What was last searched for. */
  query = {};
  /** Why the last page couldn't be loaded; null when it could. */
  fault = null;
  isLoading = false;

  #api;
  #next = null;
  #hidden = new Set();
  #loading = new AbortController();

  constructor(api, session) {
    super();
    this.#api = api;
    session.addEventListener("change", () => this.#forget());
  }

  /** Whether there are no images beyond the loaded ones. */
  get isComplete() {
    return !this.isLoading && this.fault === null && this.#next === null;
  }

  /** Begin anew, with the newest images that a query finds. */
  async load(query) {
    this.#loading.abort();
    this.#loading = new AbortController();
    Object.assign(this, { query, fault: null, isLoading: false });
    this.#next = null;
    await this.#take((signal) => this.#api.list(query, signal), { isFirst: true });
  }

  /** Know nothing until the next `load`: what one user may see is not for the next. */
  #forget() {
    this.#loading.abort();
    Object.assign(this, { images: [], fault: null, isLoading: true });
    this.#hidden.clear();
    this.#tell();
  }

  /** Load one more page, unless there is none or one is on its way. */
  async loadMore() {
    if (this.isLoading) return;
    if (this.#next !== null) await this.#take((signal) => this.#api.follow(this.#next, signal));
    else if (this.fault !== null) await this.load(this.query);
  }

  async #take(fetchPage, { isFirst } = {}) {
    const { signal } = this.#loading;
    this.isLoading = true;
    this.#tell();
    try {
      const page = await fetchPage(signal);
      if (signal.aborted) return;
      if (isFirst) this.images = [];
      this.#next = page.next;
      this.fault = null;
      const known = new Set(this.images.map((image) => image.guid));
      this.images.push(...page.images.filter(({ guid }) => !known.has(guid) && !this.#hidden.has(guid)));
    } catch (error) {
      if (signal.aborted || isAborted(error)) return;
      this.fault = error;
      // what an earlier search found would look like the answer to this one
      if (isFirst) this.images = [];
    }
    this.isLoading = false;
    this.#tell();
  }

  find(guid) {
    return this.images.find((image) => image.guid === guid);
  }

  indexOf(guid) {
    return this.images.findIndex((image) => image.guid === guid);
  }

  /** Put an image in its place by its age, or what is new of it in the place it has. */
  put(image) {
    this.#hidden.delete(image.guid);
    const index = this.indexOf(image.guid);
    const place = this.images.findIndex((other) => other.created_at < image.created_at);
    if (index >= 0) this.images[index] = image;
    else this.images.splice(place < 0 ? this.images.length : place, 0, image);
    this.#tell();
  }

  /** Take an image out, and leave it out of later pages until it is put back. */
  hide(guid) {
    this.#hidden.add(guid);
    this.images = this.images.filter((image) => image.guid !== guid);
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
