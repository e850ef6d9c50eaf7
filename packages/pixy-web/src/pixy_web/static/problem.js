// What went wrong, and what that means in plain words.

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
  }

  /** Whether nobody knows if the picture was made. */
  get isUnknown() {
    return this.billed === "unknown";
  }

  /** Whether the picture was paid for, or may have been. */
  get isPaid() {
    return this.billed === "yes" || this.isUnknown;
  }
}

/** Return the problem that an answer describes. */
export async function readProblem(response) {
  const retryAfter = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  let members = { status: response.status };
  if (response.headers.get("Content-Type")?.startsWith("application/problem+json")) {
    // without its body it is still an error of this status
    members = { ...members, ...(await response.json().catch(() => ({}))) };
  }
  return new Problem(members, Number.isNaN(retryAfter) ? null : retryAfter);
}

const WORDS = {
  unreachable: "PixyProxy can’t be reached. Check your connection, then try again.",
  invalid_credentials: "That user name and password don’t belong together. Check both and try again.",
  too_many_failures: "Too many wrong passwords for this name.",
  thumbnails_busy: "PixyProxy is busy.",
  server_busy: "PixyProxy is busy.",
  record_not_found: "This picture isn’t there any more, or isn’t shared with you.",
  permission_denied: "Only the owner of a picture may change it.",
  prompt_rejected: "The image provider doesn’t draw this prompt. Reword it, then make it again. It cost nothing.",
  image_rejected: "The image provider drew this prompt, and withheld the picture. It may have been charged.",
  generation_busy: "All places for making pictures are taken.",
  sign_in_busy: "Too many people are signing in.",
  shutting_down: "PixyProxy is about to restart.",
  database_unavailable: "PixyProxy’s database doesn’t answer.",
  database_busy: "PixyProxy’s database is busy.",
  storage_unavailable: "PixyProxy has no room for another picture. Tell whoever runs it.",
  provider_overloaded: "The image provider is busy.",
  provider_unreachable: "The image provider can’t be reached.",
  provider_not_asked: "PixyProxy can’t ask the image provider just now. Tell whoever runs it. It cost nothing.",
  provider_quota_exhausted: "The budget for pictures is used up. Tell whoever runs PixyProxy.",
  provider_refused_credentials: "The image provider refuses PixyProxy’s key. Tell whoever runs it.",
  provider_refused_request: "The image provider refuses the request. Try another prompt.",
  provider_sent_no_image: "The image provider sent nothing that can be used, but charged for it.",
  outcome_unknown: "The connection to the image provider broke. The picture may have been made, and charged.",
  generation_timeout: "The image provider took too long. The picture may have been charged all the same.",
  content_damaged: "The file of this picture is damaged. Tell whoever runs PixyProxy.",
  body_too_large: "The prompt is too long.",
};

/** Return what happened, and what to do next, for a person. */
export function explain(problem) {
  if (!(problem instanceof Problem)) throw problem;
  const reasons = problem.errors.map((fault) => fault.reason).join("; ");
  const words =
    WORDS[problem.code] ??
    (problem.status === 429 ? "That was tried too often." : null) ??
    (reasons ? `That can’t be used: ${reasons}.` : null) ??
    (problem.status >= 500 ? "Something went wrong in PixyProxy." : `PixyProxy refused (${problem.status}).`);
  const report = problem.code === "internal_error" ? ` If it goes on, report ${problem.requestId}.` : "";
  return words + report + adviseToWait(problem);
}

function adviseToWait({ retryAfter, code }) {
  if (retryAfter === null || code === "provider_quota_exhausted") return "";
  const minutes = Math.ceil(retryAfter / 60);
  const time = retryAfter < 90 ? `${retryAfter} second${retryAfter === 1 ? "" : "s"}` : `${minutes} minutes`;
  return ` Try again in ${time}.`;
}
