// The user's API keys: made, copied once, listed with their last use, revoked.

import { isAborted } from "./api.js";
import { copy } from "./clipboard.js";
import { element, find } from "./element.js";
import { explain } from "./problem.js";

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const SCOPES = { read: "see", create: "make", change: "share and delete" };

export class ApiKeys {
  #api;
  #dialog = find("keys");
  #form = find("key-form");
  #list = find("key-list");
  #keys = [];

  constructor(api, session) {
    this.#api = api;
    find("keys-button").addEventListener("click", () => this.#open());
    find("keys-close").addEventListener("click", () => this.#dialog.close());
    find("copy-key").addEventListener("click", () => this.#copy());
    this.#form.addEventListener("submit", (event) => this.#make(event));
    // neither a key nor the names of keys stay in the page
    this.#dialog.addEventListener("close", () => this.#forget());
    session.addEventListener("change", () => this.#dialog.close());
  }

  #open() {
    this.#dialog.showModal();
    find("keys-title").focus();
    this.#load();
  }

  #forget() {
    this.#keys = [];
    this.#list.replaceChildren();
    this.#form.reset();
    find("new-key-text").value = "";
    find("new-key").hidden = find("keys-fault").hidden = find("no-keys").hidden = true;
    find("keys-status").textContent = "";
  }

  async #load() {
    await this.#attempt(async () => {
      const keys = await this.#api.listKeys();
      if (!this.#dialog.open) return;
      this.#keys = keys.filter((key) => key.revoked_at === null);
      this.#show();
    });
  }

  #show() {
    this.#list.replaceChildren(...this.#keys.map((key) => this.#makeItem(key)));
    find("no-keys").hidden = this.#keys.length > 0;
  }

  async #make(event) {
    event.preventDefault();
    const { name, days } = this.#form;
    const scopes = Array.from(this.#form.querySelectorAll("[name=scope]:checked"), (box) => box.value);
    if (scopes.length === 0) {
      this.#tellFault("Choose at least one thing that the key may do.");
      return;
    }
    const wanted = { name: name.value.trim(), scopes, expires_in_days: days.value ? Number(days.value) : null };
    const button = this.#form.querySelector("[type=submit]");
    button.disabled = true;
    await this.#attempt(async () => {
      const made = await this.#api.makeKey(wanted);
      // if the user has closed the dialog, the key is in the list, and can be revoked there
      if (!this.#dialog.open) return;
      const { key, ...listed } = made;
      this.#keys.unshift(listed);
      this.#show();
      this.#form.reset();
      find("new-key").hidden = false;
      find("new-key-text").value = key;
      find("new-key-text").select();
      find("new-key").scrollIntoView({ block: "nearest" });
    });
    button.disabled = false;
  }

  async #copy() {
    const field = find("new-key-text");
    const isCopied = await copy(field.value, find("copy-key"));
    if (!isCopied) field.select();
    this.#say(isCopied ? "Copied." : "The browser does not allow it: copy the selected key by hand.");
    find("copy-key").textContent = isCopied ? "Copied" : "Copy";
    setTimeout(() => (find("copy-key").textContent = "Copy"), 2000);
  }

  async #revoke(key) {
    const index = this.#keys.indexOf(key);
    await this.#attempt(async () => {
      await this.#api.revokeKey(key.id);
      this.#keys.splice(index, 1);
      this.#show();
      this.#say(`Revoked ${key.name}.`);
      // the button that had the focus is gone
      find("keys-title").focus();
    });
  }

  /** Do something, and show in the dialog what went wrong. */
  async #attempt(act) {
    find("keys-fault").hidden = true;
    try {
      await act();
    } catch (error) {
      if (!isAborted(error)) this.#tellFault(explain(error));
    }
  }

  #tellFault(text) {
    find("keys-fault").textContent = text;
    find("keys-fault").hidden = false;
  }

  #say(text) {
    find("keys-status").textContent = text;
  }

  #makeItem(key) {
    const actions = element("div", { class: "choices" });
    const revoke = makeButton("Revoke", () => ask(), `Revoke ${key.name}`);
    const keep = makeButton("Keep it", () => {
      actions.classList.remove("sure");
      actions.replaceChildren(revoke);
      revoke.focus();
    });
    const confirm = makeButton("Revoke for good", () => this.#revoke(key));
    confirm.classList.add("danger");
    const ask = () => {
      actions.classList.add("sure");
      const warning = element("small", {}, "Programs that use it stop working.");
      actions.replaceChildren(warning, confirm, keep);
      keep.focus();
    };
    actions.append(revoke);
    return element(
      "li",
      { class: "key" },
      element("strong", {}, element("bdi", {}, key.name)),
      element("small", {}, `May ${key.scopes.map((scope) => SCOPES[scope] ?? scope).join(", ")}. ${tellEnd(key)}`),
      element("small", {}, key.last_used_at ? `Last used ${TIME.format(new Date(key.last_used_at))}.` : "Never used."),
      actions,
    );
  }
}

function makeButton(text, act, label = null) {
  return element("button", { class: "quiet", type: "button", click: act, "aria-label": label }, text);
}

function tellEnd({ expires_at: end }) {
  if (end === null) return "Does not expire.";
  const date = DATE.format(new Date(end));
  return new Date(end) <= new Date() ? `Expired ${date}.` : `Expires ${date}.`;
}
