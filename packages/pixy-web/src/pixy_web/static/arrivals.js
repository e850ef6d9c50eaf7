// Finished pictures: puts them on the grid, and announces all of them in one note.

import { shorten } from "./element.js";
import { pathOf, readRoute } from "./route.js";

const TOPIC = "arrivals";

export class Arrivals {
  #collection;
  #messages;
  #count = 0;

  constructor({ creations, collection, messages, session }) {
    [this.#collection, this.#messages] = [collection, messages];
    creations.addEventListener("made", ({ detail }) => this.#show(detail));
    session.addEventListener("change", () => (this.#count = 0));
  }

  #show(image) {
    // only the server knows whether the search matches it
    if (Object.keys(readRoute().query).length === 0) this.#collection.put(image);
    this.#count += 1;
    const text = this.#count === 1 ? "Your picture is ready:" : `${this.#count} pictures are ready. The latest:`;
    const look = () => {
      this.#count = 0;
      location.hash = pathOf(image.guid);
    };
    this.#messages.tell(text, {
      topic: TOPIC,
      quote: shorten(image.prompt, 60),
      action: { label: "Look", act: look },
      onGone: () => (this.#count = 0),
    });
    this.#messages.tellElsewhere("Your picture is ready");
  }
}
