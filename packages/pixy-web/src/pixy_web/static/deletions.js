// Deletions that can be undone for some seconds: the request is sent after that time, or when the page is closed.

import { explain } from "./problem.js";
import { shorten } from "./element.js";

export class Deletions {
  #api;
  #session;
  #collection;
  #messages;
  #waiting = new Map();

  constructor({ api, session, collection, messages }) {
    [this.#api, this.#session, this.#collection, this.#messages] = [api, session, collection, messages];
    window.addEventListener("pagehide", () => this.flush());
    session.addEventListener("ending", () => this.flush());
    // after `ending` nothing waits; without it the server has rejected the user, and would reject the deletion
    session.addEventListener("change", () => this.#waiting.clear());
  }

  /** Hide an image, and delete it unless that is undone. */
  schedule(image) {
    this.#collection.hide(image.guid);
    const undo = () => {
      this.#waiting.delete(image.guid);
      this.#collection.put(image);
      this.#messages.announce("The picture is back.");
    };
    const dismiss = this.#messages.tell("Deleted:", {
      quote: shorten(image.prompt, 60),
      action: { label: "Undo", act: undo },
      onGone: () => this.#send(image),
    });
    this.#waiting.set(image.guid, { image, dismiss });
  }

  /** Send all waiting deletions now. */
  flush() {
    for (const { dismiss } of [...this.#waiting.values()]) dismiss();
  }

  async #send(image) {
    if (!this.#waiting.delete(image.guid)) return;
    const { signal } = this.#session;
    try {
      await this.#api.remove(image.guid);
    } catch (error) {
      if (error.code === "record_not_found") return;
      if (!signal.aborted) this.#collection.put(image);
      this.#messages.tell(`Not deleted. ${explain(error)}`);
    }
  }
}
