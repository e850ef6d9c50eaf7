// What the page has to say: notes in a corner, and the same words for a screen reader.

import { element } from "./element.js";
import { Note } from "./note.js";

const SPOKEN = 20; // seconds that a message stays where screen readers find it

export class Messages {
  #root;
  #list;
  #announcer;
  #notes = new Map();
  #title = document.title;

  /** @param {HTMLElement} root Holds the list of notes and the live region. */
  constructor(root) {
    this.#root = root;
    this.#list = root.querySelector("ul");
    this.#announcer = root.querySelector("[role=log]");
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) document.title = this.#title;
    });
  }

  /** Move to where they can be reached: what is outside of an open dialog can't. */
  moveTo(container) {
    container.append(this.#root);
  }

  /** Say something to a screen reader only. It is one more line: none takes the place of one that is not read yet. */
  announce(text) {
    const line = element("p", {}, text);
    this.#announcer.append(line);
    setTimeout(() => line.remove(), SPOKEN * 1000);
  }

  /**
   * Show a note, which leaves after some seconds; not while it is pointed at or holds the focus.
   *
   * @param {string} text
   * @param {object} options
   * @param {string} options.quote A prompt behind the text, in whatever direction it is written.
   * @param {{label: string, act: function(): void}} options.action A button beside it.
   * @param {function(): void} options.onGone Called once it is gone without the action.
   * @param {object} options.topic A note of the same topic that is still there says this instead of its own text.
   * @returns {function(): void} Takes the note away, and calls `onGone`.
   */
  tell(text, { quote = "", action = null, onGone = () => {}, topic = {} } = {}) {
    for (const [other, { root }] of this.#notes) if (!root.isConnected) this.#notes.delete(other);
    const note = this.#notes.get(topic) ?? new Note();
    this.#notes.set(topic, note);
    note.say(quote ? [`${text} `, element("bdi", {}, quote)] : [text], { action, onGone });
    if (!note.root.isConnected) this.#list.append(note.root);
    this.announce(`${text} ${quote}`.trim());
    return () => note.dismiss();
  }

  /** Take everything away that was said to a user. */
  clear() {
    for (const note of this.#notes.values()) note.remove();
    this.#notes.clear();
    this.#announcer.replaceChildren();
    document.title = this.#title;
  }

  /** Show something in the title, too, for someone who looks at another tab. */
  tellElsewhere(text) {
    if (document.hidden) document.title = `● ${text} · ${this.#title}`;
  }
}
