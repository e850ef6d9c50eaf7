// The search field and the filters, in step with the address.

import { find } from "./element.js";
import { readRoute } from "./route.js";

const PAUSE = 250; // milliseconds without a key until the search begins

export class Search {
  #form;
  #route;
  #timer = 0;

  constructor(form, route) {
    [this.#form, this.#route] = [form, route];
    form.addEventListener("input", ({ target }) => this.#wait(target.name === "q" ? PAUSE : 0));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#wait(0);
    });
    // the form's fields are empty only after this event
    form.addEventListener("reset", () => this.#wait(0));
    find("filters-button").addEventListener("click", () => this.#toggle(find("filters").hidden));
    this.fill();
  }

  /** Show what the address asks for. */
  fill() {
    const { query } = readRoute();
    for (const field of this.#fields()) {
      // the text that is being typed is not complete yet, and is not searched for
      if (field === document.activeElement && field.matches("[name=q], [type=date]")) continue;
      if (field.type === "checkbox") field.checked = query[field.name] === field.value;
      else field.value = query[field.name] ?? "";
    }
    this.#countFilters(Object.keys(query).filter((name) => name !== "q").length);
  }

  /** Show the number of active filters on the button, because their panel may be closed. */
  #countFilters(count) {
    find("filter-count").hidden = count === 0;
    find("filter-count").textContent = count;
    find("filters-button").setAttribute("aria-label", count === 0 ? "Filters" : `Filters, ${count} active`);
  }

  #fields() {
    return this.#form.querySelectorAll("[name]");
  }

  #toggle(isOpen) {
    find("filters").hidden = !isOpen;
    find("filters-button").setAttribute("aria-expanded", String(isOpen));
  }

  #wait(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#search(), milliseconds);
  }

  #search() {
    const query = Object.fromEntries(
      [...new FormData(this.#form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value),
    );
    this.#route.search(query);
  }
}
