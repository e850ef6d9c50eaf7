// A queue of downloads: a few run at once, and the picture nearest to the window is next.

// browsers open six connections to a server over HTTP/1.1: two stay free for everything else
const AT_ONCE = 4;

export class Downloads {
  #waiting = new Map();
  #running = 0;

  /**
   * Run a download when a slot is free, unless no element needs it any more.
   *
   * @param {{element: Element, users: number}} file Where it is shown, and how many elements need it.
   * @param {function(): Promise<T>} download
   * @returns {Promise<T>}
   * @template T
   */
  run(file, download) {
    return new Promise((resolve, reject) => {
      const start = () => download().then(resolve, reject);
      this.#waiting.set(file, { start, reject });
      this.#startNext();
    });
  }

  #startNext() {
    for (const [file, { reject }] of this.#waiting) {
      if (file.users > 0) continue;
      this.#waiting.delete(file);
      reject(new DOMException("Nobody wants it any more.", "AbortError"));
    }
    if (this.#running >= AT_ONCE || this.#waiting.size === 0) return;
    const [file, { start }] = this.#findNearest();
    this.#waiting.delete(file);
    this.#running += 1;
    start().finally(() => {
      this.#running -= 1;
      this.#startNext();
    });
  }

  #findNearest() {
    const distances = [...this.#waiting].map((entry) => [distance(entry[0].element), entry]);
    return distances.reduce((nearest, other) => (other[0] < nearest[0] ? other : nearest))[1];
  }
}

/** Return how many pixels above or below the window an element is; -1 for pictures of the viewer, over the grid. */
function distance(element) {
  if (!element.isConnected || element.closest("dialog")) return -1;
  const { top, bottom } = element.getBoundingClientRect();
  return Math.max(0, -bottom, top - window.innerHeight);
}
