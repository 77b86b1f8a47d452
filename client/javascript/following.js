/* One conversation, followed by its changes: events only say when to ask. */

/** @typedef {import("./index.js").Following} Declared */

const ASKED_EVERY_MS = 60_000; // an event may be lost, or there may be no socket at all
const PAGE = 100;

/** @implements {Declared} */
export class Following {
  /** @type {string | undefined} */
  cursor;
  #session;
  /** @type {string | undefined} the account that follows it */
  #as;
  #onMessages;
  #onError;
  #onClose;
  #stopping = new AbortController();
  /** @type {Promise<void> | null} */
  #running = null;
  #isAskedAgain = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /**
   * @param {import("./session.js").Session} session
   * @param {string} conversationId
   * @param {import("./index.js").Listener} onMessages
   * @param {import("./index.js").FollowOptions} options
   * @param {() => void} onClose
   */
  constructor(session, conversationId, onMessages, { cursor, onError }, onClose) {
    this.#session = session;
    this.conversationId = conversationId;
    this.#onMessages = onMessages;
    this.#onError = onError;
    this.#onClose = onClose;
    this.cursor = cursor;
  }

  /** Tell what was missed since the cursor. Throws ApiError, Unavailable. */
  async begin() {
    this.#running = this.#first().finally(() => { this.#running = null; });
    await this.#running;
    if (this.#stopping.signal.aborted) return;
    this.#timer = setInterval(() => this.catchUp(), ASKED_EVERY_MS);
  }

  /** There may be something new. */
  catchUp() {
    this.#isAskedAgain = true;
    if (this.#stopping.signal.aborted) return;
    this.#running ??= this.#run()
      .catch((error) => { if (!this.#stopping.signal.aborted) this.#onError?.(error); })
      .finally(() => { this.#running = null; });
  }

  close() {
    clearInterval(this.#timer);
    this.#stopping.abort();
    this.#onClose();
  }

  async #first() {
    this.#as = await this.#session.account();
    await this.#run();
  }

  async #run() {
    const { signal } = this.#stopping;
    do {
      this.#isAskedAgain = false;
      const query = { conversation_id: this.conversationId, since: this.cursor };
      const { messages, cursor } = await this.#session.json("GET", "/messages/changes", { query, signal, as: this.#as });
      if (signal.aborted) return;
      if (messages.length) await this.#onMessages(messages, cursor);
      this.cursor = cursor; // behind the listener: what that did not take is told again
      if (messages.length === PAGE) this.#isAskedAgain = true;
    } while (this.#isAskedAgain);
  }
}
