/* The socket of one account: connected again after whatever has ended it, with a token that counts. */

import { SignInNeeded } from "./errors.js";

/** @typedef {import("./index.js").ChatEvents} ChatEvents */
/** @typedef {import("socket.io-client").Socket} Socket */

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const PROLONGED_BEFORE_MS = 25_000; // the session renews what ends within 30 s
const AGAIN_MS = 1000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const NEWS = new Set(["new_message", "message_edited", "message_pinned", "message_deleted"]);

export class ChatSocket {
  #session;
  #onNews;
  /** @type {Socket | null} */
  #socket = null;
  /** @type {Map<string, Set<Function>>} */
  #listeners = new Map();
  #isWanted = false;
  #shown = "";
  /** @type {string | undefined} the account that listens */
  #as;
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #reconnecting;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #prolonging;

  /** @param {import("./session.js").Session} session @param {(conversationId?: string) => void} onNews of one conversation, or perhaps of all */
  constructor(session, onNews) {
    this.#session = session;
    this.#onNews = onNews;
  }

  get isConnected() {
    return this.#socket?.connected ?? false;
  }

  /** @param {{ transports?: ("polling" | "websocket")[] }} [options] */
  async connect(options = {}) {
    this.#isWanted = true;
    const module = await import("socket.io-client");
    const as = await this.#session.account();
    if (this.#socket || !this.#isWanted) return;
    this.#as = as;
    this.#open(module, options);
  }

  /** @param {typeof import("socket.io-client")} module @param {{ transports?: ("polling" | "websocket")[] }} options */
  #open({ io }, options) {
    const { origin, pathname } = new URL(this.#session.url);
    const socket = io(origin, {
      ...options,
      path: `${pathname.replace(/\/$/, "")}/socket.io`,
      auth: (send) => void this.#authorize(send),
      forceNew: true,
      autoConnect: false,
    });
    this.#socket = socket;
    socket.on("connect", () => this.#connected());
    socket.on("connect_error", ({ message }) => { if (!socket.active) this.#refused(message); }); // else it tries again by itself
    socket.on("disconnect", (reason) => {
      clearTimeout(this.#prolonging);
      this.#tell("disconnect", reason);
      if (reason === "io server disconnect") this.#connectLater();
    });
    socket.onAny((event, data) => {
      if (NEWS.has(event)) this.#onNews(data?.conversation_id); // first, whatever a listener throws
      this.#tell(event, data);
    });
    socket.connect();
  }

  close() {
    this.#isWanted = false;
    clearTimeout(this.#reconnecting);
    clearTimeout(this.#prolonging);
    const socket = this.#socket;
    this.#socket = null;
    socket?.disconnect();
  }

  /** @template {keyof ChatEvents} E @param {E} event @param {(data: ChatEvents[E]) => void} listener */
  on(event, listener) {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** @param {string} event @param {unknown} data */
  emit(event, data) {
    if (this.isConnected) this.#socket?.emit(event, data);
  }

  /** @param {string} event @param {unknown} [data] */
  #tell(event, data) {
    for (const listener of this.#listeners.get(event) ?? []) listener(data);
  }

  /** @param {(data: object) => void} send */
  async #authorize(send) {
    try {
      this.#shown = await this.#session.token(this.#as);
      send({ access_token: this.#shown });
    } catch {
      send({}); // it is refused, and tried again
    }
  }

  #connected() {
    this.#failures = 0;
    this.#prolongLater();
    this.#tell("connect");
    this.#onNews();
  }

  /** The token was, or the service is about to stop. @param {string} message */
  async #refused(message) {
    try {
      if (this.#shown && /credentials/.test(message)) await this.#session.renew(this.#shown);
      await this.#session.token(this.#as);
    } catch (error) {
      if (error instanceof SignInNeeded) {
        this.close();
        this.#tell("error", { detail: error.message });
        return;
      }
    }
    this.#connectLater();
  }

  #connectLater() {
    clearTimeout(this.#reconnecting);
    if (!this.#socket) return;
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS);
    this.#reconnecting = setTimeout(() => this.#socket?.connect(), pause * (0.5 + Math.random() / 2));
  }

  /** Show a newer token before the one that was shown ends, and the socket lives on. */
  #prolongLater() {
    clearTimeout(this.#prolonging);
    const endsAt = this.#session.expiresAt;
    if (endsAt === null) return;
    const wait = Math.min(Math.max(endsAt - Date.now() - PROLONGED_BEFORE_MS, AGAIN_MS), LONGEST_TIMER_MS);
    this.#prolonging = setTimeout(async () => {
      try {
        const token = await this.#session.token(this.#as);
        if (token !== this.#shown) this.emit("authenticate", { access_token: token });
        this.#shown = token;
      } catch {
        // The service is away: it is asked again. Where the sign-in has ended, the service ends the socket.
      }
      if (this.isConnected) this.#prolongLater();
    }, wait);
  }
}
