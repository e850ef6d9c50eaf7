// Makes one picture: sends the request, then polls until the picture is finished.

import { isAborted } from "./api.js";
import { pause } from "./pause.js";
import { Problem } from "./problem.js";

const PAUSE = 2; // seconds between two requests, unless the server sends Retry-After
const SHORT_PAUSE = 1; // if there are partial images

// codes of errors before the server starts anything: the same request may be sent again
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
   * Wait for the image of a creation.
   *
   * @param {import("./creations.js").Creation} creation
   * @param {AbortSignal} signal
   * @throws {Problem} The reason why it can't be made.
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
          // there may be a partial image already
          continue;
        }
        // not awaited: on a slow connection the picture may be finished before its partial image is loaded
        if (details.preview) peek ??= this.#peek(creation, details.preview, over.signal).then(() => (peek = null));
        await this.#pause(creation, details.retryAfter ?? (details.preview ? SHORT_PAUSE : PAUSE), signal);
      }
    } finally {
      over.abort();
    }
  }

  /** Send the request, or get its state; set `trouble` if there was no useful answer. */
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
      // it is still being made, so an answer will follow
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

  /** Fetch the partial image; it is not an error if there is none yet, or none any more. */
  async #peek(creation, path, signal) {
    try {
      const found = await this.#api.peek(path, creation.tag, signal);
      if (found === null || signal.aborted) return;
      [creation.partial, creation.tag] = [found.blob, found.tag];
      this.#tell();
    } catch {
      // the request for the picture itself reports what is wrong
    }
  }
}
