// The text in place of pictures: they are loading, there are none, or why they can't be shown.

import { find } from "./element.js";
import { explain } from "./problem.js";

export class State {
  #collection;
  #session;

  constructor(collection, session) {
    [this.#collection, this.#session] = [collection, session];
    collection.addEventListener("change", () => this.#update());
    find("more").addEventListener("click", () => collection.loadMore());
    window.addEventListener("online", () => collection.fault !== null && collection.loadMore());
  }

  #update() {
    const { images, fault, isLoading, isComplete } = this.#collection;
    const text = this.#describe();
    find("more").hidden = fault === null || isLoading;
    if (find("state").textContent !== text) find("state").textContent = text;
    // otherwise the footer would jump down with each page of pictures
    document.querySelector("footer").classList.toggle("unsettled", !isComplete && fault === null);
    find("state").classList.toggle("hidden", images.length > 0 && fault === null);
  }

  #describe() {
    const { images, fault, isLoading, isComplete, query } = this.#collection;
    if (fault !== null) return explain(fault);
    if (isLoading) return images.length ? "" : "Loading…";
    if (images.length) return `${count(images.length)}, ${isComplete ? "all of them" : "and more below"}.`;
    if (this.#session.username === null && (query.mine || query.visibility)) {
      return "Sign in to see what these filters find.";
    }
    if (Object.keys(query).length) return "Nothing found. Try other words, or fewer filters.";
    return this.#session.username ? "No pictures yet. Describe the first one above." : "No public pictures yet.";
  }
}

function count(number) {
  return number === 1 ? "1 picture" : `${number} pictures`;
}
