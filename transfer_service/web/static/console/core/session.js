/* Who is signed in, in this tab and in the others; tokens are renewed before they end (docs/accounts.md). */

import { api, ApiError, cookie, errorOf, setSession, urlOf } from "./api.js";
import { persist } from "./passing.js";
import { createStore } from "./store.js";

const RENEWED_BEFORE_MS = 60_000;
const TRIED_AGAIN_MS = 10_000;
const LOOKED_EVERY_MS = 30_000;
const MOST_REFUSALS = 3;
/* A renewal whose answer was lost can be asked for once more within 30 seconds of it (docs/accounts.md). */
const ANSWERED_MS = 10_000;
const LOCK = "transfer-service renewal";
const ACCESS = "csrf_access_token";
const REFRESH = "csrf_refresh_token";

/** The account of GET /auth/me; null while nobody is signed in, undefined while it is not known yet. */
export const account = createStore(undefined);

/** Whether the service gives no new tokens for a while, for another reason than that somebody is signed out. */
export const away = createStore(false);

const others = "BroadcastChannel" in window ? new BroadcastChannel("transfer-service session") : null;
const whenOther = new Set();
let timer = null;
let renewing = null;

/* Whose page this is: the first one who has signed in on it, for as long as it lives. */
let owner = null;

/* The CSRF value of the last token whose owner is known. Any other may be of somebody who has signed in in another tab. */
let proved = null;

/** Find out who is signed in. Asks nothing where the browser has no token. */
export async function begin() {
  setSession({ renew, prove });
  others?.addEventListener("message", ({ data }) => (data === "in" ? refresh() : signedOut()));
  setInterval(lookAtCookies, LOOKED_EVERY_MS);
  document.addEventListener("visibilitychange", () => document.hidden || lookAtCookies());
  window.addEventListener("pageshow", lookAtCookies);
  window.addEventListener("online", () => (account.get()?.isUnknown ? refresh() : lookAtCookies()));
  return areGone() ? leave() : refresh();
}

/** Be called just before the page begins anew because somebody else has signed in: nothing may go on in his name. */
export function onOther(listener) {
  whenOther.add(listener);
}

async function hasToken() {
  return Boolean(cookie(ACCESS) || (cookie(REFRESH) && (await renew())));
}

const areGone = () => !cookie(ACCESS) && !cookie(REFRESH);

/** Sign in. Raises ApiError. */
export async function signIn(username, password) {
  const answer = await fetch(urlOf("/auth/login"), {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ username, password }),
    credentials: "same-origin",
  }).catch(() => { throw new ApiError(0, ""); });
  if (!answer.ok) throw await errorOf(answer);
  await answer.text(); // or the connection stays busy
  others?.postMessage("in");
  await refresh();
}

/** Sign out, here and in the other tabs. Raises ApiError. */
export async function signOut() {
  await api("POST", "/auth/logout");
  signedOut();
  others?.postMessage("out");
}

/** Ask again who this is and how much room is used. */
export async function refresh() {
  try {
    await confirm();
  } catch (error) {
    const isKnown = Boolean(account.get()) && !account.get().isUnknown;
    if (isKnown || error.status === 401) return;
    account.set({ name: "", permissions: [], is_admin: false, isUnknown: true });
    clearTimeout(timer);
    timer = setTimeout(refresh, Math.max((error.retryAfter ?? 0) * 1000, TRIED_AGAIN_MS));
  }
}

/* Find out whose the tokens are. Raises ApiError: 401 where they are nobody's, or not of whom the page is. */
async function confirm() {
  const { me, value } = await whose().catch((error) => {
    if (error.status === 401) leave();
    throw error;
  });
  if (owner !== null && owner !== me.id) {
    beginAnew();
    throw new ApiError(401, "");
  }
  owner = me.id;
  proved = value;
  account.set(me);
  schedule(me.expires_at);
}

/* Tokens may come and go while it is asked: no answer, and no refusal either, counts for any but those it was asked with. */
async function whose() {
  let refusals = 0;
  while (await hasToken()) {
    const value = cookie(ACCESS);
    try {
      const me = await api("GET", "/auth/me");
      if (cookie(ACCESS) === value) return { me, value };
    } catch (error) {
      refusals += 1;
      if (error.status !== 401 || cookie(ACCESS) === value || refusals === MOST_REFUSALS) throw error;
    }
  }
  throw new ApiError(401, "");
}

async function prove() {
  if (account.get() === null) throw new ApiError(401, "");
  if (proved !== null && cookie(ACCESS) === proved) return proved;
  await confirm();
  return proved;
}

/* What the page knows, has begun or has yet to do is the former one's: the next one gets none of it. */
function beginAnew() {
  leave();
  for (const listener of whenOther) listener();
  window.location.reload();
}

/**
 * Get new tokens, unless others have come after that of the CSRF value `before`; one tab at a time where the browser can
 * tell. Resolves to whether there are some: false only where the service has refused them, as somebody is signed out.
 * While it cannot be asked it is tried again; raises ApiError after a while.
 */
export function renew(before = cookie(ACCESS)) {
  renewing ??= persist(() => locked(() => renewNow(before)), { onFault: () => away.set(true) }).then((isRenewed) => {
    away.set(false);
    return isRenewed;
  }).finally(() => { renewing = null; });
  return renewing;
}

async function renewNow(before) {
  if (cookie(ACCESS) && cookie(ACCESS) !== before) return true; // another tab was first
  const value = cookie(REFRESH);
  if (!value) return false;
  const headers = { Accept: "application/json", "X-CSRF-TOKEN": value };
  const options = { method: "POST", headers, credentials: "same-origin", signal: AbortSignal.timeout(ANSWERED_MS) };
  const answer = await fetch(urlOf("/auth/refresh"), options).catch(() => { throw new ApiError(0, ""); });
  if (answer.ok) {
    await answer.text().catch(() => {}); // the cookies have come with its head
    others?.postMessage("in");
    return true;
  }
  const error = await errorOf(answer);
  if (error.status !== 401) throw error;
  if (cookie(REFRESH) && cookie(REFRESH) !== value) return true; // somebody has signed in meanwhile
  leave();
  return false;
}

function locked(work) {
  return navigator.locks ? navigator.locks.request(LOCK, work) : work();
}

function schedule(expiresAt, leastMs = TRIED_AGAIN_MS) {
  clearTimeout(timer);
  if (expiresAt === null || expiresAt === undefined) return;
  const wait = Math.max(expiresAt * 1000 - Date.now() - RENEWED_BEFORE_MS, leastMs);
  timer = setTimeout(async () => {
    try {
      if (await renew()) await refresh();
    } catch (error) {
      if (account.get()) schedule(expiresAt, Math.max((error.retryAfter ?? 0) * 1000, TRIED_AGAIN_MS));
    }
  }, Math.min(wait, 2 ** 31 - 1));
}

/* Another tab, or another page of this service, may have signed out, or somebody in. */
function lookAtCookies() {
  if (account.get() && areGone()) leave();
  else if (account.get() !== undefined && cookie(ACCESS) && cookie(ACCESS) !== proved) refresh();
}

/* Whoever signs out may leave the browser to somebody else: unsent texts and names of files go with him. */
function signedOut() {
  for (const kept of ["localStorage", "sessionStorage"]) {
    try {
      const names = Object.keys(window[kept]).filter((name) => owner !== null && name.includes(owner));
      for (const name of names) window[kept].removeItem(name);
    } catch {
      // the browser keeps nothing
    }
  }
  leave();
}

/* The token that is there has been refused, or is about to go: it is not asked about again. */
function leave() {
  clearTimeout(timer);
  away.set(false);
  proved = cookie(ACCESS);
  account.set(null);
}
