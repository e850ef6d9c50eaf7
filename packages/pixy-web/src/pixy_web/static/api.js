// The public API, over fetch. No other module sends requests.

import { Problem, readProblem } from "./problem.js";
import { basicAuthorization } from "./session.js";

const PAGE_SIZE = 60;

export class Api {
  #session;

  constructor(session) {
    this.#session = session;
  }

  /** Return the first page of a query's result: its images, and the path of the next page or null. */
  list(query, signal) {
    return this.follow(`/image?${new URLSearchParams({ limit: PAGE_SIZE, ...query })}`, signal);
  }

  /** Return the page at the path of an earlier page's link. */
  async follow(path, signal) {
    const response = await this.#send(path, { signal });
    const next = findLink(response, "next");
    return { images: await readBody(response, "json"), next };
  }

  async get(guid, signal) {
    return readBody(await this.#send(`/image/${guid}`, { signal }), "json");
  }

  /** Return the details of a creation, with the path of its `preview`, or null. */
  async look(guid) {
    const response = await this.#send(`/image/${guid}`);
    return { ...(await readBody(response, "json")), preview: findLink(response, "preview") };
  }

  /** Return a partial image and its tag; null if there is none, or if its tag is unchanged. */
  async peek(path, tag, signal) {
    const response = await this.#send(path, { headers: tag ? { "If-None-Match": tag } : {}, signal });
    // once the image is finished, the answer redirects to its file
    if (response.status === 200 && !response.redirected) {
      return { blob: await readBody(response, "blob"), tag: response.headers.get("ETag") };
    }
    await response.body?.cancel();
    return null;
  }

  /** Return the file of an image, or its thumbnail of a width. */
  async content({ guid, visibility }, width, signal) {
    // every browser with the other features of this page (light-dark, AbortSignal.any) shows AVIF
    const headers = width ? { Accept: "image/avif,image/webp" } : {};
    // public images are requested without credentials, so that the browser may cache them
    const authorization = visibility === "public" ? "" : undefined;
    return readBody(await this.#send(contentPath(guid, width), { headers, signal, authorization }), "blob");
  }

  /**
   * Create an image. Requests with the same key are paid once.
   *
   * @param {{prompt: string, visibility: string}} wanted
   * @param {string} key
   * @returns {Promise<{guid: string, status: ?string}>} The image, or the creation while it is pending.
   */
  async create(wanted, key) {
    // a browser has six connections to a server, and none of them may wait for a provider
    const headers = { "Idempotency-Key": key, Prefer: "respond-async, wait=2" };
    return readBody(await this.#send("/image", { method: "POST", body: wanted, headers }), "json");
  }

  /** Return the user's creations of a status (`pending`, `failed` or `unknown`), newest first. */
  async listCreations(status) {
    return readBody(await this.#send(`/image?status=${status}`), "json");
  }

  async change(guid, visibility) {
    return readBody(await this.#send(`/image/${guid}`, { method: "PATCH", body: { visibility } }), "json");
  }

  /** Delete an image, even if the page is closed meanwhile. */
  async remove(guid) {
    await this.#send(`/image/${guid}`, { method: "DELETE", keepalive: true, outlives: true });
  }

  /** Return the user's API keys; those that were revoked come last. */
  async listKeys() {
    return readBody(await this.#send("/key"), "json");
  }

  /** Make an API key, and return it with its `key`, which no later answer has. */
  async makeKey(wanted) {
    return readBody(await this.#send("/key", { method: "POST", body: wanted }), "json");
  }

  async revokeKey(id) {
    await this.#send(`/key/${id}`, { method: "DELETE" });
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
      // otherwise the browser shows its own password dialog at a 401 (Fetch, "HTTP-network-or-cache fetch")
      credentials: "omit",
      signal: AbortSignal.any(signals),
    }).catch(failToReach);
    if (response.ok || response.status === 304) return response;
    const problem = await readProblem(response);
    if (response.status !== 401 || !used || used !== this.#session.authorization) throw problem;
    // the password was changed or the user removed: report the end of the session instead
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

/** Return whether an error only means that the request was aborted. */
export function isAborted(error) {
  return error?.name === "AbortError";
}
