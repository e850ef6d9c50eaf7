// The loaded images, newest first. It does not render them.

import { isAborted } from "./api.js";

/** Fires `change` when its images, or its knowledge about further ones, have changed. */
export class Collection extends EventTarget {
  /** Loaded images, newest first. */
  images = [];
  /** The last query. */
  query = {};
  /** The error of the last page; null if it was loaded. */
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

  /** Start again with the newest images of a query. */
  async load(query) {
    this.#loading.abort();
    this.#loading = new AbortController();
    Object.assign(this, { query, fault: null, isLoading: false });
    this.#next = null;
    await this.#take((signal) => this.#api.list(query, signal), { isFirst: true });
  }

  /** Remove everything until the next `load`, because the next user may not see the same images. */
  #forget() {
    this.#loading.abort();
    Object.assign(this, { images: [], fault: null, isLoading: true });
    this.#hidden.clear();
    this.#tell();
  }

  /** Load one more page, unless there is none or one is being loaded. */
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
      // the result of an earlier search would look like that of this one
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

  /** Insert an image by its age, or update it in its place. */
  put(image) {
    this.#hidden.delete(image.guid);
    const index = this.indexOf(image.guid);
    const place = this.images.findIndex((other) => other.created_at < image.created_at);
    if (index >= 0) this.images[index] = image;
    else this.images.splice(place < 0 ? this.images.length : place, 0, image);
    this.#tell();
  }

  /** Remove an image, also from later pages, until it is put back. */
  hide(guid) {
    this.#hidden.add(guid);
    this.images = this.images.filter((image) => image.guid !== guid);
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
