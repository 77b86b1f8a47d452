/* Requests to the public API (openapi.yaml): cookies, their CSRF value, answers in JSON, errors as ApiError. */

import { BASE } from "./page.js";

const RENEW_STATUS = 401;
const TOKEN = "csrf_access_token";
const FOR_READING = new Set(["GET", "HEAD"]);
let renew = async () => false;
let prove = async () => cookie(TOKEN);

/** An answer that is no success, or none at all (status 0: no network, or the service is away). */
export class ApiError extends Error {
  constructor(status, detail, { retryAfter = null } = {}) {
    super(detail || `HTTP ${status}`);
    this.status = status;
    this.detail = detail;
    this.retryAfter = retryAfter;
  }
}

/**
 * What the session does for requests: `renew` gets a new access token when that of a CSRF value has ended and resolves to
 * whether there is one; `prove` resolves to the CSRF value of a token that is known to be of the account that the page shows.
 * Both raise ApiError where that cannot be told for a while.
 */
export function setSession(session) {
  ({ renew, prove } = session);
}

/** The address of a path of the API, whose parameters are those of `query` that are not null. */
export function urlOf(path, query = {}) {
  const known = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const parameters = new URLSearchParams(known).toString();
  return `${BASE}${path}${parameters ? `?${parameters}` : ""}`;
}

/** A name of a file or folder as part of a path: its labels stay apart, all else is encoded. */
export function encodeName(name) {
  return name.split("/").map(encodeURIComponent).join("/");
}

/** The value of a cookie that scripts may read, or null. */
export function cookie(name) {
  const found = document.cookie.split("; ").find((each) => each.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : null;
}

/**
 * The header that changes need beside the cookie. It fits no token but the one that was proved: a change is never made
 * in the name of somebody who has signed in meanwhile. Raises ApiError.
 */
export async function csrfHeaders() {
  const value = await prove();
  return value ? { "X-CSRF-TOKEN": value } : {};
}

/**
 * Ask the API. Gives the answer's JSON, null where it has none. `json` is sent as JSON, `body` as it is; `query` becomes
 * parameters. Raises ApiError, and AbortError where `signal` ended it.
 */
export async function api(method, path, { query, json, body, headers, signal, keepalive } = {}) {
  const answer = await request(method, path, { query, json, body, headers, signal, keepalive });
  return parse(answer);
}

/**
 * Like `api`, for the answer itself: its headers, or a body that is no JSON. With `redirect` "manual" an answer that leads elsewhere
 * is a success.
 */
export async function request(method, path, options = {}) {
  let { answer, value } = await send(method, path, options);
  if (answer.status === RENEW_STATUS) {
    const refusal = await errorOf(answer); // read in any case, or the connection stays busy
    if (!(await renew(value))) throw refusal;
    ({ answer } = await send(method, path, options));
  }
  if (!answer.ok && answer.type !== "opaqueredirect") throw await errorOf(answer);
  return answer;
}

async function send(method, path, { query, json, body, headers, signal, keepalive, redirect }) {
  const sent = { Accept: "application/json", ...headers };
  if (!FOR_READING.has(method)) Object.assign(sent, await csrfHeaders());
  if (json !== undefined) sent["Content-Type"] = "application/json";
  const content = json === undefined ? body : JSON.stringify(json);
  const value = cookie(TOKEN);
  try {
    const answer = await fetch(urlOf(path, query), { method, headers: sent, body: content, signal, keepalive, redirect, credentials: "same-origin" });
    return { answer, value };
  } catch (error) {
    throw cutOff(error);
  }
}

/* What became of a request that has no answer, or not all of one. */
function cutOff(error) {
  return error.name === "AbortError" ? error : new ApiError(0, "");
}

async function parse(answer) {
  const text = await answer.text().catch((error) => { throw cutOff(error); });
  return text && (answer.headers.get("Content-Type") || "").includes("json") ? JSON.parse(text) : null;
}

/** The error that an answer tells, which is read for it. */
export async function errorOf(answer) {
  const told = await parse(answer).catch(() => null);
  const detail = told?.detail ?? told?.error ?? told?.message ?? "";
  const retryAfter = Number(answer.headers.get("Retry-After")) || null;
  return new ApiError(answer.status, typeof detail === "string" ? detail : "", { retryAfter });
}
