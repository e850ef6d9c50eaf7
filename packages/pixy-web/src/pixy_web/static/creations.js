// Pictures that are being made, several at once: those asked for in this tab, and those that went on without it.

import { isAborted } from "./api.js";
import { rememberDuration, usualDuration } from "./durations.js";
import { makeKey } from "./key.js";
import { pause } from "./pause.js";
import { Problem } from "./problem.js";
import { read, write } from "./storage.js";

const PAUSE = 2; // seconds between two looks, unless the server names others
const SHORT_PAUSE = 1; // where there is something to see
const STORED = "pixy.pending";

const BLANK = { fault: null, partial: null, tag: null };

/**
 * One picture that is wanted.
 *
 * @typedef {object} Creation
 * @property {{prompt: string, visibility: string, size: ?string, quality: ?string}} wanted
 * @property {?string} key Makes its request one and the same; null when another page sent it.
 * @property {?string} guid The picture's, once the server has named it.
 * @property {number} startedAt Milliseconds.
 * @property {?Error} fault Why there is no picture.
 * @property {?Blob} partial What there is to see of it already.
 * @property {?string} tag Of that, for the server.
 */

/** Fires `change` when the list or a member of it changes, `made` with the image when one is there. */
export class Creations extends EventTarget {
  /** @type {Creation[]} Newest first. */
  list = [];
  #api;
  #session;
  #fade;

  /** @param {function(function(): void): void} fade Runs what changes the page at once. */
  constructor(api, session, fade) {
    super();
    [this.#api, this.#session, this.#fade] = [api, session, fade];
    session.addEventListener("change", () => {
      this.list = [];
      this.resume();
      this.#tell();
    });
  }

  /** Begin a picture. The key belongs to the form that was filled in: sent twice, it is still one picture. */
  begin(wanted, key = makeKey()) {
    if (this.list.some((creation) => creation.key === key)) return;
    this.#add({ wanted, key, guid: null, startedAt: Date.now() });
  }

  /** Take up what is being made for this user, and what became of that which an earlier page in this tab began. */
  async resume() {
    const { username } = this.#session;
    if (username === null) return;
    const stored = read("sessionStorage", STORED);
    const earlier = stored?.username === username ? stored.guids : [];
    const looks = earlier.map((guid) => this.#api.get(guid).then((details) => [details]));
    const answers = await Promise.allSettled([...looks, this.#api.listCreations("pending")]);
    if (this.#session.username !== username) return;
    for (const details of answers.flatMap(({ value }) => value ?? [])) this.#takeUp(details);
  }

  #takeUp({ guid, prompt, visibility, size, quality, created_at: createdAt }) {
    if (this.list.some((creation) => creation.guid === guid)) return;
    const startedAt = Math.min(Date.now(), Date.parse(createdAt));
    this.#add({ wanted: { prompt, visibility, size, quality }, key: null, guid, startedAt });
  }

  /** Ask again. It is the same request once more: what was paid for, or may have been, is not bought anew. */
  retry(creation) {
    Object.assign(creation, { guid: null, startedAt: Date.now() }, BLANK);
    this.#run(creation);
  }

  /** Ask for another picture of the same, whatever the first one has cost. */
  buyAgain(creation) {
    creation.key = makeKey();
    this.retry(creation);
  }

  dismiss(creation) {
    this.list = this.list.filter((other) => other !== creation);
    this.#tell();
  }

  #add(creation) {
    Object.assign(creation, BLANK);
    this.list.unshift(creation);
    this.#run(creation);
  }

  async #run(creation) {
    const isMeasured = creation.key !== null && creation.guid === null;
    creation.key ??= makeKey();
    this.#tell();
    try {
      const image = await this.#waitFor(creation, this.#session.signal);
      if (isMeasured) rememberDuration(kindOf(creation), image.model, (Date.now() - creation.startedAt) / 1000);
      if (creation.partial) this.#fade(() => this.#finish(creation, image));
      else this.#finish(creation, image);
    } catch (error) {
      if (isAborted(error)) return;
      creation.fault = error;
      this.#tell();
    }
  }

  #finish(creation, image) {
    // the user may have signed out meanwhile
    if (!this.list.includes(creation)) return;
    this.dismiss(creation);
    // what was seen of it stands in until its own pixels are there
    this.dispatchEvent(new CustomEvent("made", { detail: { ...image, unfinished: creation.partial } }));
  }

  /** Return the image, once it is there; throw what keeps it from being made. */
  async #waitFor(creation, signal) {
    const over = new AbortController();
    let peek = null;
    try {
      for (;;) {
        const details = await this.#look(creation);
        if (details.problem) throw new Problem(details.problem);
        if (details.sha256) return details;
        if (details.guid && creation.guid === null) {
          creation.guid = details.guid;
          this.#tell();
          // there may be something to see of it already
          continue;
        }
        // not waited for: over a slow line the picture is there before what was to be seen of it
        if (details.preview) peek ??= this.#peek(creation, details.preview, over.signal).then(() => (peek = null));
        await pause(details.retryAfter ?? (details.preview ? SHORT_PAUSE : PAUSE), signal);
      }
    } finally {
      over.abort();
    }
  }

  /** Fetch what there is to see of it; that it can't be seen yet, or any more, is no fault. */
  async #peek(creation, path, signal) {
    try {
      const found = await this.#api.peek(path, creation.tag, signal);
      if (found === null || signal.aborted) return;
      [creation.partial, creation.tag] = [found.blob, found.tag];
      this.#tell();
    } catch {
      // the picture itself tells what is wrong
    }
  }

  /** Ask for it, or how far it is. */
  async #look(creation) {
    try {
      if (creation.guid === null) return await this.#api.create(creation.wanted, creation.key);
      return await this.#api.look(creation.guid);
    } catch (error) {
      const isBreak = creation.guid !== null && (error.status === 0 || error.status >= 500);
      // it is being made all the same, so the answer is still to come
      if (error.code === "idempotency_key_in_use" || isBreak) return { retryAfter: error.retryAfter };
      throw error;
    }
  }

  #tell() {
    const guids = this.list.filter(({ guid, fault }) => guid && !fault).map(({ guid }) => guid);
    write("sessionStorage", STORED, guids.length ? { username: this.#session.username, guids } : null);
    this.dispatchEvent(new Event("change"));
  }
}

/** Return how long a picture has taken, and how long it usually takes, in seconds. */
export function progressOf(creation) {
  return { elapsed: (Date.now() - creation.startedAt) / 1000, usual: usualDuration(kindOf(creation)) };
}

function kindOf({ wanted }) {
  return `${wanted.size ?? "auto"} ${wanted.quality ?? "auto"}`;
}
