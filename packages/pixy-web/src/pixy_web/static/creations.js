// Pictures that are being made in this tab, several at once.

import { isAborted } from "./api.js";
import { rememberDuration, usualDuration } from "./durations.js";
import { makeKey } from "./key.js";

/**
 * One picture that is wanted.
 *
 * @typedef {{wanted: object, key: string, startedAt: number, fault: ?Error}} Creation
 */

/** Fires `change` when the list or a member of it changes, `made` with the image when one is there. */
export class Creations extends EventTarget {
  /** @type {Creation[]} Newest first. */
  list = [];
  #api;

  constructor(api, session) {
    super();
    this.#api = api;
    session.addEventListener("change", () => {
      this.list = [];
      this.#tell();
    });
  }

  /** Begin a picture. The key belongs to the form that was filled in: sent twice, it is still one picture. */
  begin(wanted, key = makeKey()) {
    if (this.list.some((creation) => creation.key === key)) return;
    const creation = { wanted, key, startedAt: Date.now(), fault: null };
    this.list.unshift(creation);
    this.#run(creation);
  }

  /**
   * Ask for a picture again. Where nobody knows what became of the request, it is the same request once more, which
   * buys nothing twice; where it failed for certain, or `anew` is what the user wants, it is another one.
   */
  retry(creation, anew = false) {
    if (anew || creation.fault.isCertain) creation.key = makeKey();
    Object.assign(creation, { startedAt: Date.now(), fault: null });
    this.#run(creation);
  }

  dismiss(creation) {
    this.list = this.list.filter((other) => other !== creation);
    this.#tell();
  }

  async #run(creation) {
    this.#tell();
    try {
      const image = await this.#api.create(creation.wanted, creation.key);
      rememberDuration(kindOf(creation), image.model, (Date.now() - creation.startedAt) / 1000);
      this.dismiss(creation);
      this.dispatchEvent(new CustomEvent("made", { detail: image }));
    } catch (error) {
      if (isAborted(error)) return;
      creation.fault = error;
      this.#tell();
    }
  }

  #tell() {
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
