// Pending and failed pictures: those of this tab, and others that the server lists.

import { isAborted } from "./api.js";
import { rememberDuration, usualDuration } from "./durations.js";
import { makeKey } from "./key.js";
import { Maker } from "./making.js";
import { Problem } from "./problem.js";
import { read, write } from "./storage.js";

const STORED = "pixy.pending";

/**
 * One requested picture.
 *
 * @typedef {object} Creation
 * @property {{prompt: string, visibility: string, size: ?string, quality: ?string}} wanted
 * @property {?string} key The idempotency key; null if another page sent the request.
 * @property {?string} guid The picture's guid, once the server has returned it.
 * @property {number} startedAt Milliseconds.
 * @property {?Error} fault Why there is no picture.
 * @property {?Error} trouble Why the last request had no useful answer; another one follows.
 * @property {number} askAt When the next request is sent, milliseconds.
 * @property {boolean} isAsking Whether a request is on its way.
 * @property {?Blob} partial The latest partial image.
 * @property {?string} tag The entity tag of `partial`.
 * @property {AbortController} end
 */

/** Fires `change` when the list or one of its members changes, and `made` with each finished image. */
export class Creations extends EventTarget {
  /** @type {Creation[]} Newest first. */
  list = [];
  #api;
  #session;
  #fade;
  #maker;
  #username;
  #unsent = null;

  /** @param {function(function(): void): void} fade Runs a function that changes the page, with a transition. */
  constructor(api, session, fade) {
    super();
    [this.#api, this.#session, this.#fade] = [api, session, fade];
    this.#maker = new Maker(api, () => this.#tell());
    this.#username = session.username;
    session.addEventListener("change", ({ detail }) => this.#changeUser(detail.rejected));
  }

  /** Start a picture. The key belongs to the filled-in form: if it is sent twice, there is still one picture. */
  begin(wanted, key = makeKey()) {
    if (this.list.some((creation) => creation.key === key)) return;
    this.#run(this.#add({ wanted, key, guid: null, startedAt: Date.now() }));
  }

  /** Load the user's pending and failed creations from the server, and those of an earlier page in this tab. */
  async resume() {
    const { username } = this.#session;
    if (username === null) return;
    const stored = read("sessionStorage", STORED);
    const earlier = stored?.username === username ? stored.guids : [];
    const looks = earlier.map((guid) => this.#api.get(guid).then((details) => [details]));
    const lists = ["pending", "failed", "unknown"].map((status) => this.#api.listCreations(status));
    const answers = await Promise.allSettled([...looks, ...lists]);
    if (this.#session.username !== username) return;
    const found = answers.flatMap(({ value }) => value ?? []);
    for (const details of found.sort((a, b) => (a.created_at < b.created_at ? -1 : 1))) this.#takeUp(details);
  }

  #takeUp({ guid, prompt, visibility, size, quality, problem, created_at: createdAt }) {
    if (this.list.some((creation) => creation.guid === guid)) return;
    const startedAt = Math.min(Date.now(), Date.parse(createdAt));
    const creation = this.#add({ wanted: { prompt, visibility, size, quality }, key: null, guid, startedAt });
    if (problem) creation.fault = new Problem(problem);
    else this.#run(creation);
    this.#tell();
  }

  /** Repeat the same request: what was paid for, or may have been, is not paid again. */
  retry(creation) {
    // a request of another page has a key that this one doesn't know
    if (creation.key === null) this.buyAgain(creation);
    else this.#restart(creation);
  }

  /** Request a new picture with the same prompt, even if the first one was paid for. */
  buyAgain(creation) {
    this.#forget({ ...creation });
    creation.key = makeKey();
    this.#restart(creation);
  }

  /** Remove a failed creation permanently. */
  dismiss(creation) {
    this.#remove(creation);
    this.#forget(creation);
  }

  /** Cancel a creation that has not started. It may still start while a request is running. */
  cancel(creation) {
    if (creation.isAsking || creation.guid !== null) return;
    creation.end.abort();
    this.#remove(creation);
  }

  #add(creation) {
    this.list.unshift(reset(creation));
    return creation;
  }

  #restart(creation) {
    this.#run(reset(Object.assign(creation, { guid: null, startedAt: Date.now() })));
  }

  #remove(creation) {
    this.list = this.list.filter((other) => other !== creation);
    this.#tell();
  }

  async #run(creation) {
    const isMeasured = creation.guid === null;
    const { signal } = this.#session;
    this.#tell();
    try {
      const image = await this.#maker.make(creation, AbortSignal.any([signal, creation.end.signal]));
      if (isMeasured) rememberDuration(kindOf(creation), image.model, (Date.now() - creation.startedAt) / 1000);
      if (creation.partial) this.#fade(() => this.#finish(creation, image));
      else this.#finish(creation, image);
    } catch (error) {
      if (isAborted(error) || signal.aborted) return;
      creation.fault = error;
      this.#tell();
    }
  }

  #finish(creation, image) {
    // the user may have signed out meanwhile
    if (!this.list.includes(creation)) return;
    this.#remove(creation);
    // the partial image stays until the picture itself is loaded
    this.dispatchEvent(new CustomEvent("made", { detail: { ...image, unfinished: creation.partial } }));
  }

  /** Delete a failure on the server; otherwise it would be listed again after a reload. */
  async #forget({ guid, fault, wanted }) {
    if (!fault?.isKept) return;
    try {
      const kept = guid === null ? await this.#findKept(fault, wanted) : await this.#api.get(guid);
      if (kept?.problem) await this.#api.remove(kept.guid);
    } catch (error) {
      // it will be listed again, and can be dismissed again
      if (!(error instanceof Problem) && !isAborted(error)) throw error;
    }
  }

  /** Find the server's record of a failure; the answer to a POST doesn't name it. */
  async #findKept(fault, { prompt, visibility }) {
    const others = new Set(this.list.map(({ guid }) => guid));
    const kept = await this.#api.listCreations(fault.isUnknown ? "unknown" : "failed");
    return kept.find((one) => one.prompt === prompt && one.visibility === visibility && !others.has(one.guid));
  }

  /** After a lost session, keep what the server has not received until the user is back. */
  #changeUser(isRejected) {
    const before = this.#username;
    const unsent = this.#unsent;
    this.#username = this.#session.username;
    this.#unsent = null;
    if (this.#username === null && isRejected) {
      const list = this.list.filter(({ guid, fault }) => guid === null && !fault?.isKept);
      for (const creation of list) creation.fault ??= new Problem({ code: "signed_out" });
      this.#unsent = { username: before, list };
    }
    this.list = unsent !== null && unsent.username === this.#username ? unsent.list : [];
    this.resume();
    this.#tell();
  }

  #tell() {
    const guids = this.list.filter(({ guid, fault }) => guid && !fault).map(({ guid }) => guid);
    write("sessionStorage", STORED, guids.length ? { username: this.#session.username, guids } : null);
    this.dispatchEvent(new Event("change"));
  }
}

function reset(creation) {
  const blank = { fault: null, trouble: null, askAt: 0, isAsking: false, partial: null, tag: null };
  return Object.assign(creation, blank, { end: new AbortController() });
}

/** Return how long a picture has taken, and how long it usually takes, in seconds. */
export function progressOf(creation) {
  return { elapsed: (Date.now() - creation.startedAt) / 1000, usual: usualDuration(kindOf(creation)) };
}

function kindOf({ wanted }) {
  return `${wanted.size ?? "auto"} ${wanted.quality ?? "auto"}`;
}
