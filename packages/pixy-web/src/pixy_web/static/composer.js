// The form for a new picture.

import { element } from "./element.js";
import { makeKey } from "./key.js";
import { read, write } from "./storage.js";

const DRAFT = "pixy.draft";

export class Composer {
  #form;
  #creations;
  #session;
  #key = makeKey();

  constructor(form, creations, session) {
    [this.#form, this.#creations, this.#session] = [form, creations, session];
    form.addEventListener("submit", (event) => this.#submit(event));
    form.addEventListener("input", () => this.#keepDraft());
    // on phones the choices stay open from then on: a form that shrinks would move what a finger is about to touch
    form.addEventListener("focusin", () => form.classList.add("used"), { once: true });
    form.prompt.addEventListener("keydown", (event) => this.#onKey(event));
    session.addEventListener("change", ({ detail }) => this.#changeUser(detail.rejected));
    this.#restoreDraft();
  }

  /** Fill in a prompt, and shape and quality if they are given. The visibility is never copied. */
  begin({ prompt, size, quality }) {
    this.#form.prompt.value = prompt;
    if (size) choose(this.#form.elements.size, size);
    if (quality) choose(this.#form.elements.quality, quality);
    this.#keepDraft();
    window.scrollTo({ top: 0 });
    this.focus();
  }

  focus() {
    this.#form.prompt.focus();
  }

  #submit(event) {
    event.preventDefault();
    const wanted = this.#readFields();
    if (!wanted.prompt?.trim()) return;
    this.#creations.begin(wanted, this.#key);
    // the second click of a double click finds an empty form; the next text is for another picture
    this.#key = makeKey();
    this.#form.prompt.value = "";
    this.#keepDraft();
    // on a touch screen the keyboard would cover the picture being made
    if (!matchMedia("(pointer: coarse)").matches) this.focus();
  }

  #readFields() {
    return Object.fromEntries([...new FormData(this.#form)].filter(([, value]) => value));
  }

  /** Enter makes the picture; Shift and Enter starts a new line. */
  #onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  /** Remove a user's prompt at sign-out; after a lost session, keep it for the same user. */
  #changeUser(isRejected) {
    this.#form.reset();
    for (const added of this.#form.querySelectorAll("[data-added]")) added.remove();
    if (this.#session.username !== null) this.#restoreDraft();
    else if (!isRejected) write("sessionStorage", DRAFT, null);
  }

  #keepDraft() {
    const { username } = this.#session;
    const fields = this.#readFields();
    write("sessionStorage", DRAFT, username !== null && fields.prompt ? { username, fields } : null);
  }

  #restoreDraft() {
    const { username } = this.#session;
    if (username === null) return;
    const draft = read("sessionStorage", DRAFT);
    if (draft?.username !== username) {
      write("sessionStorage", DRAFT, null);
      return;
    }
    this.#form.prompt.value = draft.fields.prompt;
    for (const select of this.#form.querySelectorAll("select")) choose(select, draft.fields[select.name] ?? "");
  }
}

/** Choose a value; add it to the choices if the form doesn't have it. */
function choose(select, value) {
  const wanted = value === "auto" ? "" : value;
  select.querySelector("[data-added]")?.remove();
  if (![...select.options].some((option) => option.value === wanted)) {
    const label = wanted.replace(/^(\d+)x(\d+)$/, "$1 × $2");
    select.append(element("option", { value: wanted, "data-added": true }, label));
  }
  select.value = wanted;
}
