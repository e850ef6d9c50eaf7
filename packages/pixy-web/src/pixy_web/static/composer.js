// The form in which a picture is asked for.

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
    // on phones the choices show from then on: a form that shrinks moves what a finger is about to touch
    form.addEventListener("focusin", () => form.classList.add("used"), { once: true });
    form.prompt.addEventListener("keydown", (event) => this.#onKey(event));
    session.addEventListener("change", ({ detail }) => this.#changeUser(detail.rejected));
    this.#restoreDraft();
  }

  /** Fill in a prompt, with shape and quality where they are given. Who may see the picture is never copied. */
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
    // a second click of a double click finds an empty form; whatever is typed next is another picture
    this.#key = makeKey();
    this.#form.prompt.value = "";
    this.#keepDraft();
    // on a touch screen the keyboard would cover the picture being made
    if (!matchMedia("(pointer: coarse)").matches) this.focus();
  }

  #readFields() {
    return Object.fromEntries([...new FormData(this.#form)].filter(([, value]) => value));
  }

  /** Enter makes the picture, as people expect of a line; with Shift it starts a new line. */
  #onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  /** Nothing of a user's prompt stays for the next one; only who lost a session finds their own again. */
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

/** Choose a value, which becomes one more choice where the form doesn't offer it. */
function choose(select, value) {
  const wanted = value === "auto" ? "" : value;
  select.querySelector("[data-added]")?.remove();
  if (![...select.options].some((option) => option.value === wanted)) {
    const label = wanted.replace(/^(\d+)x(\d+)$/, "$1 × $2");
    select.append(element("option", { value: wanted, "data-added": true }, label));
  }
  select.value = wanted;
}
