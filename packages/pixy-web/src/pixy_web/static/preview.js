// What there is to see of a picture while it is made: one unfinished picture after the other, each over the last.

import { element, shorten } from "./element.js";

export class Preview {
  /** The element; nothing is seen of it before there is a picture. */
  root = element("div", { class: "preview", hidden: true });
  #creation;
  #shown = null;

  constructor(creation) {
    this.#creation = creation;
  }

  /** Show the creation's latest, if it is another one. */
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
    // it keeps the shape of the first, so nothing moves when the next one comes
    if (this.root.hidden) this.root.style.setProperty("--ratio", `${img.naturalWidth} / ${img.naturalHeight}`);
    this.root.hidden = false;
    const [before, ...older] = [...this.root.children].reverse();
    for (const each of older) each.remove();
    if (before) before.alt = "";
    this.root.append(img);
  }
}

/** Change the page at once, and fade from what was to what is, where the browser can and nobody minds. */
export function fade(change) {
  const isMinded = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (isMinded || !document.startViewTransition) change();
  // it is skipped, and the page changed all the same, where nobody looks or another one begins
  else document.startViewTransition(change).ready.catch(() => {});
}
