/* Who is signed in, in this tab and in the others; tokens are renewed before they end (docs/accounts.md). */

import { api, ApiError, cookie, csrfHeaders, setRenewal, urlOf } from "./api.js";
import { createStore } from "./store.js";

const RENEWED_BEFORE_MS = 60_000;
const TRIED_AGAIN_MS = 10_000;
const LOOKED_EVERY_MS = 30_000;
const LOCK = "transfer-service renewal";

/** The account of GET /auth/me; null while nobody is signed in, undefined while it is not known yet. */
export const account = createStore(undefined);

const others = "BroadcastChannel" in window ? new BroadcastChannel("transfer-service session") : null;
let timer = null;
let renewing = null;

/** Find out who is signed in. Asks nothing where the browser has no token. */
export async function begin() {
  setRenewal(renew);
  others?.addEventListener("message", ({ data }) => (data === "in" ? refresh() : leave()));
  setInterval(lookAtCookies, LOOKED_EVERY_MS);
  document.addEventListener("visibilitychange", () => document.hidden || lookAtCookies());
  if (!cookie("csrf_access_token") && !(cookie("csrf_refresh_token") && (await renew()))) return leave();
  return refresh();
}

/** Sign in. Raises ApiError. */
export async function signIn(username, password) {
  const answer = await fetch(urlOf("/auth/login"), {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ username, password }),
    credentials: "same-origin",
  }).catch(() => { throw new ApiError(0, ""); });
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new ApiError(answer.status, told.detail ?? "", { retryAfter: Number(answer.headers.get("Retry-After")) || null });
  }
  await refresh();
  others?.postMessage("in");
}

/** Sign out, here and in the other tabs. Raises ApiError. */
export async function signOut() {
  await api("POST", "/auth/logout");
  leave();
  others?.postMessage("out");
}

/** Ask again who this is and how much room is used. */
export async function refresh() {
  try {
    const me = await api("GET", "/auth/me");
    account.set(me);
    schedule(me.expires_at);
  } catch (error) {
    if (error.status === 401) return leave();
    const isKnown = account.get() !== undefined && !account.get()?.isUnknown;
    if (isKnown) return;
    account.set({ name: "", permissions: [], is_admin: false, isUnknown: true });
    setTimeout(refresh, TRIED_AGAIN_MS);
  }
}

/** Get new tokens; one tab at a time where the browser can tell. Resolves to whether there are some. */
export function renew() {
  renewing ??= locked(renewNow).finally(() => { renewing = null; });
  return renewing;
}

async function renewNow() {
  if (!cookie("csrf_refresh_token")) return false;
  try {
    const headers = { Accept: "application/json", ...csrfHeaders("csrf_refresh_token") };
    const answer = await fetch(urlOf("/auth/refresh"), { method: "POST", headers, credentials: "same-origin" });
    if (answer.status === 401) leave();
    return answer.ok;
  } catch {
    return false; // no network: whoever asked hears of that by its own request
  }
}

function locked(work) {
  return navigator.locks ? navigator.locks.request(LOCK, work) : work();
}

function schedule(expiresAt) {
  clearTimeout(timer);
  if (expiresAt === null || expiresAt === undefined) return;
  const wait = Math.max(expiresAt * 1000 - Date.now() - RENEWED_BEFORE_MS, TRIED_AGAIN_MS);
  timer = setTimeout(async () => {
    await renew();
    if (account.get()) refresh();
  }, Math.min(wait, 2 ** 31 - 1));
}

/* Another tab, or another page of this service, may have signed out. */
function lookAtCookies() {
  if (account.get() && !cookie("csrf_access_token") && !cookie("csrf_refresh_token")) leave();
}

function leave() {
  clearTimeout(timer);
  account.set(null);
}
