// One note in the corner: a text, an optional button, and a cross. It disappears after some seconds.

import { element, icon } from "./element.js";

const SECONDS = 8;

export class Note {
  root = element("li", { class: "toast" });
  #text = element("span");
  #button = element("button", { type: "button", click: () => this.#leave(this.#action.act) });
  #action = null;
  #onGone = () => {};
  #timer = 0;
  #isHeld = false;
  #focusedBefore = null;

  constructor() {
    const cross = element("button", { type: "button", "aria-label": "Dismiss", click: () => this.dismiss() });
    cross.append(icon("close"));
    this.root.append(this.#text, this.#button, cross);
    for (const event of ["pointerenter", "focusin"]) this.root.addEventListener(event, () => this.#hold(true));
    for (const event of ["pointerleave", "focusout"]) this.root.addEventListener(event, () => this.#hold(false));
    this.root.addEventListener("focusin", ({ relatedTarget }) => {
      if (!this.root.contains(relatedTarget)) this.#focusedBefore = relatedTarget;
    });
  }

  /** Show a text, and a button if there is an `action`; `onGone` is called if it disappears without the action. */
  say(words, { action, onGone }) {
    this.#text.replaceChildren(...words);
    [this.#action, this.#onGone] = [action, onGone];
    this.#button.hidden = action === null;
    this.#button.textContent = action?.label ?? "";
    this.#hold(this.#isHeld);
  }

  /** Remove it as if its time were over. */
  dismiss() {
    this.#leave(this.#onGone);
  }

  /** Remove it without calling `onGone`. */
  remove() {
    clearTimeout(this.#timer);
    this.root.remove();
  }

  /** Keep it while it is hovered or has the focus. */
  #hold(isHeld) {
    this.#isHeld = isHeld;
    clearTimeout(this.#timer);
    if (!isHeld) this.#timer = setTimeout(() => this.dismiss(), SECONDS * 1000);
  }

  #leave(then) {
    clearTimeout(this.#timer);
    if (!this.root.isConnected) return;
    if (this.root.contains(document.activeElement)) this.#focusedBefore?.focus();
    this.root.remove();
    then();
  }
}
