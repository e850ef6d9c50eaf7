// The grid of pictures: only rows near the window exist as elements, so that thousands cost no more than dozens.

import { justify, rowsBetween } from "./layout.js";
import { Tile } from "./tile.js";

// rows within this many window heights above and below the window exist already
const AHEAD = 1;

export class Grid {
  #root;
  #collection;
  #pixels;
  #session;
  #layout = { rows: [], boxes: [], height: 0 };
  #indices = new Map();
  #tiles = new Map();
  #current = null;
  #isScheduled = false;

  /**
   * @param {HTMLElement} root The list.
   * @param {HTMLElement} end The element below it; when it comes near, more is loaded.
   */
  constructor(root, end, collection, pixels, session) {
    [this.#root, this.#collection, this.#pixels, this.#session] = [root, collection, pixels, session];
    collection.addEventListener("change", () => this.#arrange());
    new ResizeObserver(() => this.#arrange()).observe(root);
    window.addEventListener("scroll", () => this.#schedule(), { passive: true });
    window.addEventListener("resize", () => this.#schedule());
    window.addEventListener("online", () => this.#tiles.forEach((tile) => tile.mend()));
    root.addEventListener("keydown", (event) => this.#move(event));
    root.addEventListener("focusin", (event) => this.#setCurrent(event.target.closest("li").dataset.guid));
    session.addEventListener("change", () => this.#clear());
    this.#loadNear(end);
  }

  /** Move the focus to a picture, which comes into view; to the current one without a guid. */
  focus(guid = this.#current) {
    const index = this.#indices.get(guid) ?? 0;
    const box = this.#layout.boxes[index];
    if (!box) return;
    this.#reveal(box);
    this.#render();
    this.#tiles.get(this.#collection.images[index].guid)?.focus();
  }

  #loadNear(end) {
    const nearness = new IntersectionObserver(
      // of several entries, only the last is current
      (entries) => entries.at(-1).isIntersecting && this.#collection.fault === null && this.#collection.loadMore(),
      { rootMargin: "1500px" },
    );
    // an observer only reports changes: observe again after each page, which may have left the end in view
    this.#collection.addEventListener("change", () => {
      nearness.unobserve(end);
      nearness.observe(end);
    });
  }

  #arrange() {
    const { images, isComplete, fault } = this.#collection;
    const anchor = this.#findAnchor();
    const ratios = images.map((image) => image.width / image.height);
    this.#layout = justify(ratios, this.#root.clientWidth, isComplete || fault !== null);
    this.#indices = new Map(images.map((image, index) => [image.guid, index]));
    this.#root.style.height = `${this.#layout.height}px`;
    this.#root.setAttribute("aria-busy", String(this.#collection.isLoading));
    const moved = (this.#layout.boxes[this.#indices.get(anchor?.guid)]?.top ?? anchor?.top) - anchor?.top;
    if (moved) window.scrollBy(0, moved);
    this.#render();
  }

  /** Return the first picture in the window, which has to stay where it is when the layout changes. */
  #findAnchor() {
    const above = -this.#root.getBoundingClientRect().top;
    if (above <= 0) return null;
    const shown = [...this.#tiles.keys()].map((guid) => [guid, this.#layout.boxes[this.#indices.get(guid)]]);
    const [guid, box] = shown.find(([, { top }]) => top >= above) ?? [];
    return box && { guid, top: box.top };
  }

  #schedule() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => {
      this.#isScheduled = false;
      this.#render();
    });
  }

  #render() {
    const top = -this.#root.getBoundingClientRect().top;
    const ahead = window.innerHeight * AHEAD;
    const { rows, boxes } = this.#layout;
    const [first, end] = rowsBetween(rows, top - ahead, top + window.innerHeight + ahead);
    const wanted = new Set();
    for (let index = rows[first]?.first ?? 0; index < (rows[end - 1]?.end ?? 0); index += 1) wanted.add(index);
    let lostFocus = null;
    for (const [guid, tile] of this.#tiles) {
      const index = this.#indices.get(guid);
      const isThere = boxes[index] && this.#collection.images[index] === tile.image;
      if (!isThere && tile.hasFocus) lostFocus = index ?? Math.min(tile.index, boxes.length - 1);
      if (isThere && tile.hasFocus) wanted.add(index);
      else if (!isThere || !wanted.has(index)) this.#remove(guid, tile);
    }
    this.#show([...wanted].sort((a, b) => a - b));
    if (lostFocus !== null) this.focus(this.#collection.images[lostFocus]?.guid);
  }

  /** Make, place and order the tiles of these images: a screen reader goes by the order of the elements. */
  #show(indices) {
    const { images, isComplete } = this.#collection;
    const count = isComplete ? images.length : -1;
    if (!this.#indices.has(this.#current)) this.#current = images[indices[0]]?.guid ?? null;
    let next = this.#root.firstElementChild;
    for (const index of indices) {
      const tile = this.#getTile(images[index], this.#layout.boxes[index]);
      tile.number(index, count);
      tile.isCurrent = images[index].guid === this.#current;
      if (tile.root === next) next = next.nextElementSibling;
      else this.#root.insertBefore(tile.root, next);
    }
    // Tab can't reach a picture that was scrolled away: choose one that is in view
    if (!this.#tiles.has(this.#current) && indices.length) this.#setCurrent(images[indices[0]].guid);
  }

  #getTile(image, box) {
    const known = this.#tiles.get(image.guid);
    if (known) {
      known.place(box);
      return known;
    }
    const tile = new Tile(image, box, this.#pixels, this.#session.username !== null);
    this.#tiles.set(image.guid, tile);
    return tile;
  }

  #remove(guid, tile) {
    this.#tiles.delete(guid);
    tile.remove();
  }

  #clear() {
    for (const [guid, tile] of this.#tiles) this.#remove(guid, tile);
  }

  #setCurrent(guid) {
    const before = this.#tiles.get(this.#current);
    if (before) before.isCurrent = false;
    this.#current = guid;
    const now = this.#tiles.get(guid);
    if (now) now.isCurrent = true;
  }

  /** Move the focus as an arrow key says: along the row, or to the nearest picture of the next row. */
  #move(event) {
    const index = this.#indices.get(this.#current);
    const target = {
      ArrowRight: () => index + 1,
      ArrowLeft: () => index - 1,
      ArrowDown: () => this.#nearestInRow(index, 1),
      ArrowUp: () => this.#nearestInRow(index, -1),
      Home: () => 0,
      End: () => this.#layout.boxes.length - 1,
    }[event.key]?.();
    if (target === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (this.#layout.boxes[target]) this.focus(this.#collection.images[target].guid);
  }

  #nearestInRow(index, step) {
    const { rows, boxes } = this.#layout;
    const row = rows[rows.findIndex(({ first, end }) => first <= index && index < end) + step];
    if (!row) return index;
    const centre = boxes[index].left + boxes[index].width / 2;
    const distance = (other) => Math.abs(boxes[other].left + boxes[other].width / 2 - centre);
    let nearest = row.first;
    for (let other = row.first; other < row.end; other += 1) {
      if (distance(other) < distance(nearest)) nearest = other;
    }
    return nearest;
  }

  #reveal({ top, height }) {
    const start = this.#root.getBoundingClientRect().top + top;
    const margin = 96; // the bar at the top stays above the pictures
    if (start < margin) window.scrollBy(0, start - margin);
    else if (start + height > window.innerHeight) window.scrollBy(0, start + height - window.innerHeight + margin / 4);
  }
}
