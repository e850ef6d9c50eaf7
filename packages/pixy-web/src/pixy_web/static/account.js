// Signing in and out.

import { find } from "./element.js";
import { explain } from "./problem.js";
import { read, write } from "./storage.js";

const KEEP = "pixy.keep";

export class Account {
  #api;
  #session;
  #dialog = find("sign-in");
  #form = this.#dialog.querySelector("form");
  #fault = find("sign-in-fault");

  constructor({ api, session, messages }) {
    [this.#api, this.#session] = [api, session];
    for (const id of ["sign-in-button", "viewer-sign-in"]) find(id).addEventListener("click", () => this.#open());
    find("sign-out-button").addEventListener("click", () => session.end());
    this.#form.addEventListener("submit", (event) => this.#submit(event));
    this.#form.querySelector("[value=cancel]").addEventListener("click", () => this.#dialog.close());
    // keep nothing for the next user
    this.#dialog.addEventListener("close", () => this.#form.reset());
    session.addEventListener("change", ({ detail }) => {
      this.show();
      if (detail.rejected) messages.tell("The server no longer accepts your password. Sign in again.");
      else messages.announce(session.username ? `Signed in as ${session.username}.` : "Signed out.");
    });
  }

  /** Show the page of a user, or of an anonymous visitor. */
  show() {
    const { username } = this.#session;
    const focused = document.activeElement;
    find("username").textContent = username ?? "";
    document.documentElement.classList.toggle("signed-in", username !== null);
    // hidden elements lose the focus; don't move it to Sign out, where a second Enter would end the session
    const isLost = !focused.checkVisibility() && !find("viewer").open;
    if (isLost) find(username === null ? "sign-in-button" : "brand").focus({ preventScroll: true });
  }

  #open() {
    this.#fault.hidden = true;
    this.#form.keep.checked = read("localStorage", KEEP) ?? false;
    this.#dialog.showModal();
  }

  async #submit(event) {
    event.preventDefault();
    const { username, password, keep } = this.#form;
    const button = this.#form.querySelector("[type=submit]");
    button.disabled = true;
    this.#fault.hidden = true;
    try {
      const authorization = await this.#api.signIn(username.value, password.value);
      write("localStorage", KEEP, keep.checked);
      this.#dialog.close();
      this.#session.begin(username.value, authorization, keep.checked);
    } catch (error) {
      this.#fault.textContent = explain(error);
      this.#fault.hidden = false;
      password.select();
    } finally {
      button.disabled = false;
    }
  }
}
