// What the page tells on its own account: notes in a corner, and the same words for a screen reader.

import { element, icon } from "./element.js";

const SECONDS = 8;

export class Messages {
  #root;
  #list;
  #announcer;
  #title = document.title;

  /** @param {HTMLElement} root Holds the list of notes and the live region. */
  constructor(root) {
    this.#root = root;
    this.#list = root.querySelector("ul");
    this.#announcer = root.querySelector("[role=status]");
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) document.title = this.#title;
    });
  }

  /** Move to where they can be reached: what is outside of an open dialog can't. */
  moveTo(container) {
    container.append(this.#root);
  }

  /** Say something to a screen reader only. */
  announce(text) {
    this.#announcer.textContent = text;
  }

  /**
   * Show a note, which goes away by itself; not while it is pointed at or holds the focus.
   *
   * @param {string} text
   * @param {{label: string, act: function(): void}} action A button beside it.
   * @param {function(): void} onGone Called once it is gone without the action.
   * @returns {function(): void} Takes the note away, and calls `onGone`.
   */
  tell(text, { action = null, onGone = () => {} } = {}) {
    let timer = 0;
    let focusedBefore = null;
    const note = element("li", { class: "toast" }, element("span", {}, text));
    const leave = (then) => {
      clearTimeout(timer);
      if (!note.isConnected) return;
      if (note.contains(document.activeElement)) focusedBefore?.focus();
      note.remove();
      then();
    };
    const wait = () => (timer = setTimeout(leave, SECONDS * 1000, onGone));
    const hold = () => clearTimeout(timer);
    if (action) {
      note.append(element("button", { type: "button", click: () => leave(action.act) }, action.label));
    }
    const dismiss = () => leave(onGone);
    note.append(element("button", { type: "button", "aria-label": "Dismiss", click: dismiss }, icon("close")));
    for (const event of ["pointerenter", "focusin"]) note.addEventListener(event, hold);
    for (const event of ["pointerleave", "focusout"]) note.addEventListener(event, wait);
    note.addEventListener("focusin", ({ relatedTarget }) => {
      if (!note.contains(relatedTarget)) focusedBefore = relatedTarget;
    });
    this.#list.append(note);
    this.announce(text);
    wait();
    return dismiss;
  }

  /** Show something in the title, too, for someone who looks at another tab. */
  tellElsewhere(text) {
    if (document.hidden) document.title = `● ${text} · ${this.#title}`;
  }
}
