// Errors, and their explanation in plain words.

/** An answer that is an error (RFC 9457), or no answer at all. */
export class Problem extends Error {
  /**
   * @param {{status?: number, code?: string, retryable?: boolean, billed?: string}} members
   * @param {?number} retryAfter Seconds.
   */
  constructor(members, retryAfter = null) {
    super(members.code ?? `status ${members.status}`);
    this.status = members.status ?? 0;
    this.code = members.code ?? "";
    this.billed = members.billed ?? null;
    this.requestId = members.request_id ?? null;
    this.errors = members.errors ?? [];
    this.retryAfter = retryAfter;
    this.happenedAt = Date.now();
  }

  /** Whether it is unknown if the picture was made. */
  get isUnknown() {
    return this.billed === "unknown";
  }

  /** Whether the picture was paid for, or may have been. */
  get isPaid() {
    return this.billed === "yes" || this.isUnknown;
  }

  /** Whether the server keeps it as a failed creation. */
  get isKept() {
    return this.billed !== null && this.code !== "generation_busy";
  }
}

/** Return the problem that an answer describes. */
export async function readProblem(response) {
  const retryAfter = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  let members = { status: response.status };
  if (response.headers.get("Content-Type")?.startsWith("application/problem+json")) {
    // without a body it is still an error of this status
    members = { ...members, ...(await response.json().catch(() => ({}))) };
  }
  return new Problem(members, Number.isNaN(retryAfter) ? null : retryAfter);
}

const ADMINISTRATOR = "Tell your administrator.";

const WORDS = {
  unreachable: "The connection to the server failed. Check your network, then try again.",
  signed_out: "You were signed out before this was sent.",
  invalid_credentials: "The user name or the password is wrong. Check both and try again.",
  invalid_key: "The user name or the API key is wrong, or the key has expired or was revoked.",
  scope_missing: "The API key that you signed in with may not do this.",
  password_required: "You signed in with an API key. Sign in with your password to look after keys.",
  too_many_keys: "You have as many keys as allowed. Revoke one that you no longer use.",
  too_many_failures: "Too many wrong passwords for this user name.",
  thumbnails_busy: "The server is busy.",
  server_busy: "The server is busy.",
  record_not_found: "This picture was deleted, or it is not shared with you.",
  permission_denied: "Only the owner of a picture can change it.",
  prompt_rejected: "The image provider rejects this prompt. Change it and try again. It cost nothing.",
  image_rejected: "The image provider drew this prompt and withheld the picture. It may have been charged.",
  generation_busy: "The server is already making as many pictures as it can.",
  sign_in_busy: "Too many people are signing in.",
  shutting_down: "The server is about to restart.",
  database_unavailable: "The server’s database does not answer.",
  database_busy: "The server’s database is busy.",
  storage_unavailable: `The server can’t store another picture. ${ADMINISTRATOR}`,
  store_mismatch: `The server can’t find its picture files. ${ADMINISTRATOR}`,
  provider_overloaded: "The image provider is busy.",
  provider_unreachable: "The server can’t reach the image provider.",
  provider_not_asked: `The server can’t ask the image provider now. It cost nothing. ${ADMINISTRATOR}`,
  provider_quota_exhausted: `The budget for pictures is used up. ${ADMINISTRATOR}`,
  provider_refused_credentials: `The image provider rejects the server’s key. ${ADMINISTRATOR}`,
  provider_refused_request: "The image provider rejects the request. Try another prompt.",
  provider_sent_no_image: "The image provider sent no usable picture, but charged for it.",
  outcome_unknown:
    "The connection to the image provider broke. The picture may have been made, and may have been charged.",
  generation_timeout: "The image provider took too long. The picture may have been charged all the same.",
  content_damaged: `The file of this picture is damaged. ${ADMINISTRATOR}`,
  image_deleted: "This picture was made, and has been deleted.",
  body_too_large: "The prompt is too long.",
};

/** Return what happened, and what to do next, for a person. */
export function explain(problem) {
  return describe(problem) + adviseToWait(problem);
}

/** Return what happened, for a person. */
export function describe(problem) {
  if (!(problem instanceof Problem)) throw problem;
  const reasons = problem.errors.map((fault) => fault.reason).join("; ");
  const words =
    WORDS[problem.code] ??
    (problem.status === 429 ? "That was tried too often." : null) ??
    (reasons ? `The server can’t use this: ${reasons}.` : null) ??
    (problem.status >= 400 && problem.status < 500
      ? `The server refused the request (${problem.status}).`
      : "Something went wrong on the server.");
  const isReported = problem.code === "internal_error" && problem.requestId !== null;
  return words + (isReported ? ` If it happens again, report ${problem.requestId}.` : "");
}

function adviseToWait({ retryAfter, happenedAt, code }) {
  if (retryAfter === null || code === "provider_quota_exhausted") return "";
  const left = Math.ceil(retryAfter - (Date.now() - happenedAt) / 1000);
  if (left <= 0) return " Try again now.";
  const time = left < 90 ? `${left} second${left === 1 ? "" : "s"}` : `${Math.ceil(left / 60)} minutes`;
  return ` Try again in ${time}.`;
}
