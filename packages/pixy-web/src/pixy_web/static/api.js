// The public API, over fetch. No other module sends requests.

import { Problem, readProblem } from "./problem.js";
import { basicAuthorization } from "./session.js";

const PAGE_SIZE = 60;

export class Api {
  #session;

  constructor(session) {
    this.#session = session;
  }

  /** Return the first page of what a query finds: its images, and the path of the next page or null. */
  list(query, signal) {
    return this.follow(`/image?${new URLSearchParams({ limit: PAGE_SIZE, ...query })}`, signal);
  }

  /** Return the page at a path that an earlier page named. */
  async follow(path, signal) {
    const response = await this.#send(path, { signal });
    const next = findLink(response, "next");
    return { images: await readBody(response, "json"), next };
  }

  async get(guid, signal) {
    return readBody(await this.#send(`/image/${guid}`, { signal }), "json");
  }

  /** Return what is known of an image in the making, with the path of its `preview`, or null. */
  async look(guid) {
    const response = await this.#send(`/image/${guid}`);
    return { ...(await readBody(response, "json")), preview: findLink(response, "preview") };
  }

  /** Return an unfinished picture and its tag; null without one, or when it is still the one of this tag. */
  async peek(path, tag, signal) {
    const response = await this.#send(path, { headers: tag ? { "If-None-Match": tag } : {}, signal });
    // once it is finished, the answer is a redirection to the whole of it
    if (response.status === 200 && !response.redirected) {
      return { blob: await readBody(response, "blob"), tag: response.headers.get("ETag") };
    }
    await response.body?.cancel();
    return null;
  }

  /** Return the file of an image, or its thumbnail of a width. */
  async content({ guid, visibility }, width, signal) {
    // every browser that knows what else this page uses (light-dark, AbortSignal.any) shows AVIF
    const headers = width ? { Accept: "image/avif,image/webp" } : {};
    // what everyone may see is asked for without credentials, for then the browser may cache it
    const authorization = visibility === "public" ? "" : undefined;
    return readBody(await this.#send(contentPath(guid, width), { headers, signal, authorization }), "blob");
  }

  /**
   * Ask for an image. The same key never buys twice.
   *
   * @param {{prompt: string, visibility: string}} wanted
   * @param {string} key
   * @returns {Promise<{guid: string, status: ?string}>} The image, or what is known of it while it is being made.
   */
  async create(wanted, key) {
    // a browser has six connections to a server: none of them may wait for a provider
    const headers = { "Idempotency-Key": key, Prefer: "respond-async, wait=2" };
    return readBody(await this.#send("/image", { method: "POST", body: wanted, headers }), "json");
  }

  /** Return what is being made for the user (`pending`), or was not made (`failed`, `unknown`), newest first. */
  async listCreations(status) {
    return readBody(await this.#send(`/image?status=${status}`), "json");
  }

  async change(guid, visibility) {
    return readBody(await this.#send(`/image/${guid}`, { method: "PATCH", body: { visibility } }), "json");
  }

  /** Delete an image, also when the page goes away meanwhile. */
  async remove(guid) {
    await this.#send(`/image/${guid}`, { method: "DELETE", keepalive: true, outlives: true });
  }

  /** Return the Authorization of a user, once the server has accepted it. */
  async signIn(username, password) {
    const authorization = basicAuthorization(username, password);
    await readBody(await this.#send("/image?limit=1", { authorization }), "json");
    return authorization;
  }

  /** Send a request. `outlives` lets it go on when the session ends. */
  async #send(path, { method = "GET", body, headers = {}, signal, outlives, keepalive, authorization } = {}) {
    const used = authorization ?? this.#session.authorization;
    if (used) headers.Authorization = used;
    if (body) headers["Content-Type"] = "application/json";
    const signals = [signal, outlives ? null : this.#session.signal].filter(Boolean);
    const response = await fetch(path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      keepalive,
      // else the browser would ask for a password of its own at a 401 (Fetch, "HTTP-network-or-cache fetch")
      credentials: "omit",
      signal: AbortSignal.any(signals),
    }).catch(failToReach);
    if (response.ok || response.status === 304) return response;
    const problem = await readProblem(response);
    if (response.status !== 401 || !used || used !== this.#session.authorization) throw problem;
    // the password was changed, or the user removed: the end of the session is told instead
    const { signal: session } = this.#session;
    this.#session.end(true);
    throw session.reason;
  }
}

/** Return the path of an image's file, or of its thumbnail. */
export function contentPath(guid, width = null) {
  return `/image/${guid}/content${width ? `?width=${width}` : ""}`;
}

/** Read the body of an answer, as "json" or a "blob". */
function readBody(response, kind) {
  return response[kind]().catch(failToReach);
}

function failToReach(error) {
  throw isAborted(error) ? error : new Problem({ code: "unreachable" });
}

function findLink(response, relation) {
  const links = response.headers.get("Link") ?? "";
  return new RegExp(`<([^>]*)>;\\s*rel="${relation}"`).exec(links)?.[1] ?? null;
}

/** Return whether an error only says that nobody waits for the answer any more. */
export function isAborted(error) {
  return error?.name === "AbortError";
}
