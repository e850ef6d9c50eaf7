// The form in which a picture is asked for.

import { makeKey } from "./key.js";

export class Composer {
  #form;
  #creations;
  #key = makeKey();

  constructor(form, creations, session) {
    [this.#form, this.#creations] = [form, creations];
    form.addEventListener("submit", (event) => this.#submit(event));
    form.prompt.addEventListener("keydown", (event) => this.#onKey(event));
    // nothing of a user's prompt stays for whoever signs in next
    session.addEventListener("change", () => form.reset());
  }

  /** Fill in what is wanted, as far as the form has it, and let the user go on from there. */
  begin(wanted) {
    this.#form.prompt.value = wanted.prompt;
    for (const choice of this.#form.querySelectorAll("select")) {
      const isOffered = [...choice.options].some(({ value }) => value === wanted[choice.name]);
      if (isOffered) choice.value = wanted[choice.name];
    }
    window.scrollTo({ top: 0 });
    this.focus();
  }

  focus() {
    this.#form.prompt.focus();
  }

  #submit(event) {
    event.preventDefault();
    const wanted = Object.fromEntries([...new FormData(this.#form)].filter(([, value]) => value));
    if (!wanted.prompt?.trim()) return;
    this.#creations.begin(wanted, this.#key);
    // a second click of a double click finds an empty form; whatever is typed next is another picture
    this.#key = makeKey();
    this.#form.prompt.value = "";
    this.focus();
  }

  /** Enter makes the picture, as people expect of a line; with Shift it starts a new line. */
  #onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }
}
