// Messages of the page: notes in a corner, and the same text for screen readers.

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

  /** Move the notes into an element: outside an open dialog they can't be reached. */
  moveTo(container) {
    container.append(this.#root);
  }

  /** Announce a text to screen readers only, in a new line, so that it replaces no line that is not read yet. */
  announce(text) {
    const line = element("p", {}, text);
    this.#announcer.append(line);
    setTimeout(() => line.remove(), SPOKEN * 1000);
  }

  /**
   * Show a note, which disappears after some seconds, but not while it is hovered or has the focus.
   *
   * @param {string} text
   * @param {object} options
   * @param {string} options.quote A prompt after the text, with its own text direction.
   * @param {{label: string, act: function(): void}} options.action A button next to it.
   * @param {function(): void} options.onGone Called when it disappears without the action.
   * @param {object} options.topic If a note of the same topic is visible, it shows this text instead of its own.
   * @returns {function(): void} Removes the note and calls `onGone`.
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

  /** Remove all messages to a user. */
  clear() {
    for (const note of this.#notes.values()) note.remove();
    this.#notes.clear();
    this.#announcer.replaceChildren();
    document.title = this.#title;
  }

  /** Show a text in the title too, for users who look at another tab. */
  tellElsewhere(text) {
    if (document.hidden) document.title = `● ${text} · ${this.#title}`;
  }
}
