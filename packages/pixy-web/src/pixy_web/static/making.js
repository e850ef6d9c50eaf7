// One picture on its way: it is asked for, and then asked about until it is there.

import { isAborted } from "./api.js";
import { pause } from "./pause.js";
import { Problem } from "./problem.js";

const PAUSE = 2; // seconds between two requests, unless the server names others
const SHORT_PAUSE = 1; // where there is something to see

// the server has begun nothing, so the same request may be sent again
const NOT_BEGUN = [
  ...["generation_busy", "server_busy", "sign_in_busy"],
  ...["database_busy", "database_unavailable", "shutting_down"],
];

export class Maker {
  #api;
  #tell;

  /** @param {function(): void} tell Called whenever a creation has changed. */
  constructor(api, tell) {
    [this.#api, this.#tell] = [api, tell];
  }

  /**
   * Return the image of a creation, once it is there.
   *
   * @param {import("./creations.js").Creation} creation
   * @param {AbortSignal} signal
   * @throws {Problem} What keeps it from being made.
   */
  async make(creation, signal) {
    const over = new AbortController();
    let peek = null;
    try {
      for (;;) {
        const details = await this.#ask(creation);
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
        await this.#pause(creation, details.retryAfter ?? (details.preview ? SHORT_PAUSE : PAUSE), signal);
      }
    } finally {
      over.abort();
    }
  }

  /** Ask for it, or how far it is; say in `trouble` why there was no useful answer. */
  async #ask(creation) {
    const isNamed = creation.guid !== null;
    if (!isNamed && creation.trouble !== null) creation.startedAt = Date.now();
    creation.isAsking = true;
    try {
      const details = isNamed
        ? await this.#api.look(creation.guid)
        : await this.#api.create(creation.wanted, creation.key);
      creation.trouble = null;
      return details;
    } catch (error) {
      // it is being made all the same, so the answer is still to come
      if (error.code === "idempotency_key_in_use") return { retryAfter: error.retryAfter };
      const isBreak = isNamed && (error.status === 0 || error.status >= 500);
      if (isAborted(error) || !(isBreak || NOT_BEGUN.includes(error.code))) throw error;
      creation.trouble = error;
      return { retryAfter: error.retryAfter };
    } finally {
      creation.isAsking = false;
    }
  }

  async #pause(creation, seconds, signal) {
    creation.askAt = Date.now() + seconds * 1000;
    this.#tell();
    await pause(seconds, signal);
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
}
