// The signed-in user of this tab. No other module has the password.
//
// It is kept in memory. If the user asks for that, it is also in sessionStorage, which ends with the tab,
// but which browsers may write to their disk.

import { read, write } from "./storage.js";

const STORED = "pixy.session";

/** Fires `change` after a sign-in or sign-out, and `ending` just before a sign-out. */
export class Session extends EventTarget {
  #authorization = null;
  #username = null;
  #end = new AbortController();

  constructor() {
    super();
    const stored = read("sessionStorage", STORED);
    if (stored) ({ username: this.#username, authorization: this.#authorization } = stored);
  }

  /** The user's name; null while nobody is signed in. */
  get username() {
    return this.#username;
  }

  /** The value of the Authorization header, only for the API module. */
  get authorization() {
    return this.#authorization;
  }

  /** Aborts at the next sign-in or sign-out, when requests of this user are not needed any more. */
  get signal() {
    return this.#end.signal;
  }

  begin(username, authorization, keep) {
    this.#change(username.normalize("NFC"), authorization);
    write("sessionStorage", STORED, keep ? { username: this.#username, authorization } : null);
  }

  /**
   * Forget the user. Other modules with data of the user listen for `ending`, `change` or the signal.
   *
   * @param {boolean} rejected The server no longer accepts the password: `change` then says so.
   */
  end(rejected = false) {
    if (!rejected) this.dispatchEvent(new Event("ending"));
    write("sessionStorage", STORED, null);
    this.#change(null, null, rejected);
  }

  #change(username, authorization, rejected = false) {
    this.#username = username;
    this.#authorization = authorization;
    this.#end.abort();
    this.#end = new AbortController();
    this.dispatchEvent(new CustomEvent("change", { detail: { rejected } }));
  }
}

/** Return the value of an Authorization header (RFC 7617, in UTF-8). */
export function basicAuthorization(username, password) {
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}
