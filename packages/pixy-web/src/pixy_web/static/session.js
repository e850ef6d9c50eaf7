// Who is signed in, in this tab. Nothing else holds the password.
//
// It is kept in memory. Only for someone who asks for it does sessionStorage hold it too, which ends with the tab,
// but which browsers may write to their disk.

import { read, write } from "./storage.js";

const STORED = "pixy.session";

/** Fires `change` when somebody has signed in or out, and `ending` just before a sign-out. */
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

  /** The header's value, for the API alone. */
  get authorization() {
    return this.#authorization;
  }

  /** Aborts at the next sign-in or sign-out: what was asked for as this user is then not wanted any more. */
  get signal() {
    return this.#end.signal;
  }

  begin(username, authorization, keep) {
    this.#change(username.normalize("NFC"), authorization);
    write("sessionStorage", STORED, keep ? { username: this.#username, authorization } : null);
  }

  /**
   * Forget the user. What else knows something of theirs listens for `ending`, `change` or the signal.
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
