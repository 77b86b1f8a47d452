/* What may go wrong. Every error that this package raises on purpose is a TransferError, and its text is for people. */

/** @typedef {import("./index.js").ErrorCode} ErrorCode */

/** @type {Record<number, ErrorCode>} */
const CODES = {
  400: "invalid", 401: "sign_in_needed", 403: "forbidden", 404: "not_found", 409: "conflict", 410: "not_found",
  412: "changed", 413: "too_large", 416: "changed", 422: "conflict", 429: "too_many", 507: "no_room",
};

/** Anything that this package raises on purpose. */
export class TransferError extends Error {
  name = "TransferError"; // written out: bundlers rename classes
}

/** The service refused a request: `status` of HTTP, `code` a word for programs, its own words as message. */
export class ApiError extends TransferError {
  name = "ApiError";

  /** @param {number} status @param {string} [detail] @param {number | null} [retryAfter] in seconds */
  constructor(status, detail, retryAfter = null) {
    super(detail || `HTTP ${status}`);
    this.status = status;
    this.code = /quota/i.test(detail ?? "") ? /** @type {const} */ ("no_room") : (CODES[status] ?? "failed");
    this.retryAfter = retryAfter;
  }
}

/** Nobody is signed in, or what was shown does not count any more. */
export class SignInNeeded extends ApiError {
  name = "SignInNeeded";

  /** @param {string} [detail] */
  constructor(detail = "Nobody is signed in") {
    super(401, detail);
  }
}

/** The service did not answer, or said that it cannot now, for longer than the client is patient. */
export class Unavailable extends TransferError {
  name = "Unavailable";
}

/** Bytes that arrived are not those that were sent. */
export class DigestMismatch extends TransferError {
  name = "DigestMismatch";
}

/** The error for an answer: its status, its body, and its Retry-After. @param {number} status @param {string} text @param {string | null} [retryAfter] */
export function errorFrom(status, text, retryAfter) {
  const detail = detailOf(text);
  return status === 401 ? new SignInNeeded(detail) : new ApiError(status, detail, secondsOf(retryAfter));
}

/** @param {string} text JSON of any of the service's envelopes, or plain text. */
function detailOf(text) {
  try {
    const told = JSON.parse(text);
    const found = told.detail ?? told.error?.message ?? told.error;
    return typeof found === "string" ? found : undefined;
  } catch {
    return text.startsWith("<") ? undefined : text.trim().slice(0, 300);
  }
}

/** @param {string | null | undefined} retryAfter */
function secondsOf(retryAfter) {
  if (!retryAfter) return null;
  const seconds = /^\d+$/.test(retryAfter) ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}
