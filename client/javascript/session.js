/* Requests to one service as one account: tokens and their renewal, patience with networks, errors as exceptions. */

import { ApiError, SignInNeeded, TransferError, Unavailable } from "./errors.js";
import { Lost, Patience, problemFrom, untilSilent } from "./patience.js";
import { remembering } from "./storage.js";

/** @typedef {import("./index.js").Tokens} Tokens */
/** @typedef {import("./index.js").ClientOptions} ClientOptions */
/**
 * @typedef {object} Asked
 * @property {Record<string, unknown>} [query] without what is null or undefined
 * @property {unknown} [json]
 * @property {BodyInit} [body]
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {boolean} [isRepeatable] whether it may be sent again after a lost answer; GET, PUT and DELETE always
 * @property {boolean} [isAuthorized] false: without the account's token
 * @property {string} [as] the account that it is for: nothing is sent in the name of one that signs in meanwhile
 * @property {number} [patienceSeconds]
 * @property {boolean} [isFollowing] whether a redirect, to an object store, is followed
 */

const PATIENCE_SECONDS = 300;
const SIGN_IN_SECONDS = 10;
const RENEWAL_MS = 12_000; // twice, and still within the 30 s in which a spent refresh token serves
const RENEWED_BEFORE_MS = 30_000;
const REPEATABLE = new Set(["GET", "HEAD", "PUT", "DELETE"]);
/** @type {Map<string, Promise<unknown>>} */
const turns = new Map();

export class Session {
  /** @type {Tokens | null} */
  #tokens = null;
  /** Whether these very tokens were written to the storage. */
  #isStored = false;
  /** @type {Promise<void> | null} */
  #renewing = null;
  #options;
  #fetch;

  /** @param {string} url @param {ClientOptions} options */
  constructor(url, options) {
    this.url = new URL(url).href.replace(/\/+$/, "");
    this.patienceSeconds = options.patienceSeconds ?? PATIENCE_SECONDS;
    this.memory = remembering(options.storage);
    this.#options = options;
    const given = options.fetch;
    /** @type {typeof fetch} */
    this.#fetch = (...asked) => (given ?? globalThis.fetch)(...asked);
    this.#tokens = options.tokens ?? null;
  }

  /** The name that what is kept in `storage` has. @param {string} what */
  keyOf(what) {
    return `transfer-service ${this.url} ${what}`;
  }

  /** The name of the account that is signed in, "" where it is not known; undefined where nobody is, and for a key. */
  async account() {
    await this.#load();
    return this.#tokens ? accountOf(this.#tokens) : undefined;
  }

  /** @param {string} username @param {string} password @returns {Promise<Tokens>} */
  async signIn(username, password) {
    const asked = { json: { username, password }, isAuthorized: false, isRepeatable: true, patienceSeconds: SIGN_IN_SECONDS };
    const tokens = tokensFrom(await this.json("POST", "/token", asked), username);
    await this.#keep(tokens);
    return tokens;
  }

  async signOut() {
    await this.#load();
    const tokens = this.#tokens;
    await this.#keep(null);
    if (!tokens) return;
    const headers = { Authorization: `Bearer ${tokens.refreshToken}` };
    const answer = await this.#send("POST", "/auth/logout", { headers, isAuthorized: false });
    if (!answer.ok && answer.status !== 401) throw await problemOf(answer); // 401: it had ended already
  }

  /** A token that counts for a while yet. Throws SignInNeeded, and Lost where a new one cannot be had now. @param {string} [as] whose */
  async token(as) {
    if (this.#options.key) return this.#options.key;
    await this.#load();
    const tokens = this.#tokens;
    if (tokens && tokens.expiresAt - Date.now() < RENEWED_BEFORE_MS) await this.renew(tokens.accessToken);
    if (!this.#tokens) throw new SignInNeeded();
    if (as !== undefined && accountOf(this.#tokens) !== as) throw new SignInNeeded("Another account has signed in");
    return this.#tokens.accessToken;
  }

  /** When the token ends, in milliseconds; null for a key. */
  get expiresAt() {
    return this.#options.key ? null : (this.#tokens?.expiresAt ?? null);
  }

  /** Get a token in place of one that was refused or ends: once, whoever asks meanwhile. @param {string} shown */
  async renew(shown) {
    if (this.#options.key) throw new SignInNeeded("The key does not count any more");
    if (!this.#tokens) throw new SignInNeeded();
    if (this.#tokens.accessToken !== shown) return; // it is an older one
    this.#renewing ??= this.#exclusively(() => this.#renew(shown)).finally(() => { this.#renewing = null; });
    await this.#renewing;
  }

  /** The JSON of an answer. @param {string} method @param {string} path @param {Asked} [asked] @returns {Promise<any>} */
  async json(method, path, asked = {}) {
    return this.request(method, path, asked, async (answer) => (answer.status === 204 ? null : answer.json()));
  }

  /**
   * The elements of a list, page by page.
   * @param {string} path @param {Record<string, unknown>} query
   */
  async *pages(path, query) {
    const as = await this.account();
    let cursor;
    do {
      const page = await this.json("GET", path, { query: { ...query, cursor }, as });
      yield page;
      cursor = page.next_cursor;
    } while (cursor);
  }

  /**
   * What `read` makes of a good answer. What may be sent twice is tried again while the network or the service is away.
   * Throws ApiError, Unavailable, and the reason of the signal.
   * @template T
   * @param {string} method @param {string} path @param {Asked} asked @param {(answer: Response) => Promise<T>} read
   * @returns {Promise<T | null>}
   */
  async request(method, path, asked, read) {
    const patience = new Patience(asked.patienceSeconds ?? this.patienceSeconds, asked.signal);
    const isRepeatable = asked.isRepeatable ?? REPEATABLE.has(method);
    const isKeyed = "Idempotency-Key" in (asked.headers ?? {});
    const as = asked.isAuthorized === false ? undefined : (asked.as ?? (await this.account()));
    let mayBeDone = false;
    for (;;) {
      let isRefused = false;
      try {
        return await untilSilent(asked.signal, async (signal, touch) => {
          const answer = await this.send(method, path, { ...asked, as, signal });
          touch();
          if (answer.ok) return read(answer);
          isRefused = answer.status !== 502 && answer.status !== 504; // or a proxy has not heard the end
          const problem = await problemOf(answer);
          if (method === "DELETE" && mayBeDone && (answer.status === 404 || answer.status === 410)) return null;
          if (isKeyed && answer.status === 409 && "retryAfter" in problem && problem.retryAfter !== null) throw new Lost(problem, problem.retryAfter);
          throw problem;
        });
      } catch (problem) {
        const isLost = problem instanceof Lost;
        isRefused ||= isLost && problem.isUnsent;
        if (isLost && !isRefused && !isRepeatable) throw new Unavailable(`The answer was lost: ${problem.message}`, { cause: problem });
        mayBeDone ||= !isRefused;
        await patience.wait(problem);
      }
    }
  }

  /** The answer to one try, or to a second one with a new token. Throws Lost, SignInNeeded. @param {string} method @param {string} path @param {Asked} [asked] */
  async send(method, path, asked = {}) {
    if (asked.isAuthorized === false) return this.#send(method, path, asked);
    for (let isNew = false; ; isNew = true) {
      const token = await this.token(asked.as).catch(unsent);
      const answer = await this.#send(method, path, { ...asked, headers: { ...asked.headers, Authorization: `Bearer ${token}` } });
      if (answer.status !== 401 || isNew) return answer;
      await answer.body?.cancel?.();
      await this.renew(token).catch(unsent);
    }
  }

  /** @param {string} method @param {string} path @param {Asked} asked */
  async #send(method, path, { query = {}, json, body, headers, signal, isFollowing }) {
    const known = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
    const parameters = new URLSearchParams(known.map(([name, value]) => [name, String(value)])).toString();
    const sent = { Accept: "application/json", ...(json === undefined ? {} : { "Content-Type": "application/json" }), ...headers };
    let answer;
    try {
      answer = await this.#fetch(`${this.url}${path}${parameters && `?${parameters}`}`, {
        method, headers: sent, body: json === undefined ? body : JSON.stringify(json), signal, credentials: "omit", cache: "no-store",
        redirect: isFollowing ? "follow" : "manual", // fetch itself shows the token to no other origin
      });
    } catch (error) {
      throw new Lost(error);
    }
    if (answer.type === "opaqueredirect" || (answer.status >= 300 && answer.status < 400)) {
      throw new TransferError(`${this.url} sends clients to another address: use that`);
    }
    return answer;
  }

  /** @param {string} shown */
  async #renew(shown) {
    const own = this.#tokens;
    if (!own) throw new SignInNeeded();
    const kept = await this.#read();
    const isOther = kept !== null && kept.account === own.account && kept.refreshToken !== own.refreshToken;
    if (isOther && (this.#isStored || kept.expiresAt > own.expiresAt)) { // another tab was faster; what was stored before ours does not count
      this.#tokens = kept;
      this.#isStored = true;
      if (kept.accessToken !== shown && kept.expiresAt - Date.now() > RENEWED_BEFORE_MS) return this.#options.onTokens?.(kept);
    }
    const spent = this.#tokens ?? own;
    const tokens = await this.#refresh(spent);
    if (this.#tokens !== spent) return; // signed out or in meanwhile
    await this.#keep(tokens, { isOwn: kept === null || kept.account === own.account });
    if (!tokens) {
      this.#options.onSignOut?.();
      throw new SignInNeeded("The sign-in has ended");
    }
  }

  /** New tokens, null where they are refused. A lost answer is asked for once more. @param {Tokens} spent */
  async #refresh(spent) {
    const headers = { Authorization: `Bearer ${spent.refreshToken}` };
    const ask = () => untilSilent(undefined, async (signal) => {
      const answer = await this.#send("POST", "/auth/refresh", { headers, signal });
      if (answer.status === 401) return null;
      if (!answer.ok) throw await problemOf(answer);
      return tokensFrom(await answer.json(), spent.account);
    }, RENEWAL_MS);
    return ask().catch((problem) => {
      if (problem instanceof Lost && problem.retryAfter === null) return ask();
      throw problem;
    });
  }

  /** @template T @param {() => Promise<T>} act @returns {Promise<T>} */
  async #exclusively(act) {
    if (!this.#options.storage) return act();
    const name = this.keyOf("renewal");
    if (globalThis.navigator?.locks) return navigator.locks.request(name, act);
    const turn = (turns.get(name) ?? Promise.resolve()).then(act);
    const settled = turn.catch(() => {});
    turns.set(name, settled);
    settled.then(() => turns.get(name) === settled && turns.delete(name));
    return turn;
  }

  async #load() {
    if (this.#tokens) return;
    const kept = await this.#read();
    if (this.#tokens) return;
    this.#tokens = kept;
    this.#isStored = true;
  }

  /** @returns {Promise<Tokens | null>} */
  async #read() {
    if (this.#options.key) return null;
    try {
      return JSON.parse((await this.memory.getItem(this.keyOf("tokens"))) ?? "null");
    } catch {
      return null; // damaged: as if there were none
    }
  }

  /** @param {Tokens | null} tokens */
  async #keep(tokens, { isOwn = true } = {}) {
    this.#tokens = tokens;
    this.#isStored = false;
    if (isOwn && tokens) this.#isStored = await this.memory.setItem(this.keyOf("tokens"), JSON.stringify(tokens));
    else if (isOwn) await this.memory.removeItem(this.keyOf("tokens"));
    this.#options.onTokens?.(tokens);
  }
}

/** A key that no other request has, also where there is no `crypto`: React Native. */
export function newKey() {
  const bytes = globalThis.crypto?.getRandomValues?.(new Uint8Array(16)) ?? Uint8Array.from({ length: 16 }, () => Math.random() * 256);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A name of a file or folder in a path. @param {string} name */
export function encodeName(name) {
  return name.split("/").map(encodeLabel).join("/");
}

/** One step of a path. Throws ApiError for dots, which addresses follow, encoded or not. @param {string} label */
export function encodeLabel(label) {
  if (label === "." || label === "..") throw new ApiError(400, `${label} is no name`);
  return encodeURIComponent(label);
}

/** @param {Tokens} tokens */
function accountOf({ account }) {
  return account ?? "";
}

/** @param {unknown} problem @returns {never} */
function unsent(problem) {
  if (problem instanceof Lost) problem.isUnsent = true;
  throw problem;
}

/** @param {Response} answer */
export async function problemOf(answer) {
  const text = await answer.text().catch(() => "");
  return problemFrom(answer.status, text, answer.headers.get("Retry-After"));
}

/** @param {any} told @param {string} [account] @returns {Tokens} */
function tokensFrom(told, account) {
  const { access_token: accessToken, refresh_token: refreshToken, expires_in: seconds } = told;
  if (!accessToken || !refreshToken) throw new Lost("The answer has no tokens");
  return { accessToken, refreshToken, expiresAt: Date.now() + seconds * 1000, ...(account === undefined ? {} : { account }) };
}
