/*
 * One conversation that is open: its messages as far as they are in memory, kept up to date by events, and by what the
 * service tells of the time when none came. All that changes the messages runs one after the other, so an event that
 * comes while something is fetched is taken after it.
 */

import { api } from "../core/api.js";
import { isPassing, pauseAfter } from "../core/passing.js";
import { account } from "../core/session.js";
import { createStore } from "../core/store.js";
import { emptied, forget, lastRead, noteRead, refreshOne } from "./conversations.js";
import * as history from "./history.js";
import { connection, listen, onGap } from "./live.js";
import { discard, outbox } from "./outbox.js";

const NOT_THERE = new Set(["Conversation not found", "Invalid conversation id"]);
const PATIENCE_MS = 30_000;
const SOON_MS = 250;
const TOLD_MS = 2000;
const TYPES_MS = 6000;
const PREVIEW_LOOKS_MS = [1500, 2000, 3000, 4000, 5000, 5000, 10_000, 20_000];

/**
 * Open a conversation. `store` has `{slice, info, typing, isLoading, isGone, error, firstUnread, target}`; `target` is
 * the message to go to, a new object each time. `close` ends it.
 */
export function openThread(id) {
  const thread = new Thread(id);
  thread.begin();
  return thread;
}

class Thread {
  constructor(id) {
    this.id = id;
    this.store = createStore({ slice: history.EMPTY, info: null, typing: [], isLoading: true, isGone: false, error: null, firstUnread: null, target: null });
    this.isReadingEnd = true; // the list says so
    this.ending = new AbortController();
    this.queue = Promise.resolve();
    this.cursor = null;
    this.timers = new Map();
    this.looks = 0;
    this.failures = 0;
    this.readId = null;
  }

  begin() {
    for (const { key } of this.sent()) discard(key); // they are in the history
    const stops = [listen((name, data) => this.hear(name, data)), onGap(() => this.catchUp()), outbox.watch(() => this.settle())];
    this.ending.signal.addEventListener("abort", () => stops.forEach((stop) => stop()));
    this.run(() => this.load());
  }

  close() {
    this.ending.abort();
    for (const timer of this.timers.values()) clearTimeout(timer);
  }

  set(change) {
    if (!this.ending.signal.aborted) this.store.set((old) => ({ ...old, ...change }));
  }

  get slice() {
    return this.store.get().slice;
  }

  set slice(slice) {
    if (slice === this.slice) return;
    this.set({ slice: history.withReads(slice, account.get()?.name) });
    this.settle();
  }

  /* An own message has its place by an event, as those of others have: only so are all in their order. */
  settle() {
    const isRefused = ({ conversationId, error }) => conversationId === this.id && error?.status === 403;
    if (outbox.get().some(isRefused)) this.soon("refused", () => this.followChanges());
    const rest = this.sent().filter(({ key, messageId }) => {
      const isShown = this.slice.messages.some(({ _id }) => _id === messageId);
      if (isShown) discard(key);
      return !isShown;
    });
    if (rest.length) this.soon("sent", () => this.fetchEnd().then(() => this.sent().forEach(({ key }) => discard(key))), connection.get() === "on" ? TOLD_MS : 0);
  }

  sent() {
    return outbox.get().filter((each) => each.conversationId === this.id && each.state === "sent");
  }

  /* One after the other; what fails is told, and lets the next one begin. */
  run(work) {
    this.queue = this.queue.then(async () => {
      if (this.ending.signal.aborted || this.store.get().isGone) return;
      try {
        await work();
        this.failures = 0;
        if (this.store.get().error) this.set({ error: null });
      } catch (error) {
        this.fail(error);
      }
    });
    return this.queue;
  }

  fail(error) {
    if (error.name === "AbortError") return;
    const isGone = error.status === 403 || NOT_THERE.has(error.detail);
    this.set({ isGone, error: isGone ? null : error, isLoading: false });
    if (isGone) forget(this.id);
    else if (isPassing(error)) this.soon("again", () => (this.store.get().info ? this.learn() : this.load()), this.pause(error));
  }

  pause(error) {
    this.failures += 1;
    return pauseAfter(this.failures - 1, error.retryAfter);
  }

  ask(path, query) {
    const signal = AbortSignal.any([this.ending.signal, AbortSignal.timeout(PATIENCE_MS)]);
    return api("GET", path, { query: { conversation_id: this.id, ...query }, signal });
  }

  async page(query = {}, limit = history.PAGE) {
    const { messages } = await this.ask("/messages/get", { limit, ...query });
    this.lookForPreviews(messages);
    return messages;
  }

  /** The newest messages; the cursor first, so that nothing falls between the two. */
  async load() {
    const info = await refreshOne(this.id);
    this.cursor = (await this.ask("/messages/changes")).cursor;
    const page = await this.page();
    this.set({ info, isLoading: false, firstUnread: history.firstUnreadOf(page, { me: account.get()?.name, seen: lastRead(this.id) }) });
    this.slice = history.fromEnd(page);
  }

  reload() {
    this.set({ isLoading: true, error: null });
    this.run(() => this.load());
  }

  older() {
    const [first] = this.slice.messages;
    if (!first || !this.slice.hasOlder || this.isBusy) return undefined;
    return this.busily(async () => { this.slice = history.withOlder(this.slice, await this.page({ before: first._id })); });
  }

  newer() {
    const last = this.slice.messages.at(-1);
    if (!last || this.slice.isAtEnd || this.isBusy) return undefined;
    return this.busily(async () => {
      this.slice = history.withNewer(this.slice, await this.page({ after: last._id }));
      if (this.slice.isAtEnd) await this.fetchEnd(); // what came meanwhile
    });
  }

  busily(work) {
    this.isBusy = true;
    return this.run(work).finally(() => { this.isBusy = false; });
  }

  /** Show a message, wherever it is in the history. */
  jump(messageId) {
    return this.busily(async () => {
      if (!this.slice.messages.some(({ _id }) => _id === messageId)) {
        const newer = await this.page({ after: messageId });
        const older = await this.page(newer.length ? { before: newer[0]._id } : {});
        this.slice = history.around(older, newer);
        if (this.slice.isAtEnd) await this.fetchEnd();
      }
      this.set({ target: { id: messageId } });
    });
  }

  /** Show the newest messages. */
  toEnd() {
    this.isReadingEnd = true;
    return this.busily(async () => {
      if (!this.slice.isAtEnd) this.slice = history.fromEnd(await this.page());
      this.set({ target: { id: null } });
    });
  }

  /** One message, which need not be among those that are in memory; null where there is none. */
  async find(messageId) {
    const known = this.slice.messages.find(({ _id }) => _id === messageId);
    if (known) return known;
    const [next] = await this.page({ after: messageId }, 1);
    const [found] = await this.page(next ? { before: next._id } : {}, 1);
    return found?._id === messageId ? found : null;
  }

  /** Learn what no event has told: what is new, changed, read, and who is in it. */
  catchUp() {
    if (this.isCatchingUp) return this.queue;
    this.isCatchingUp = true;
    return this.run(() => {
      this.isCatchingUp = false;
      return this.store.get().info ? this.learn() : this.load();
    });
  }

  async learn() {
    await this.fetchEnd(await this.followChanges());
    this.set({ info: await refreshOne(this.id) });
  }

  /* Gives what was not known. */
  async followChanges() {
    const unknown = [];
    for (;;) {
      let answer;
      try {
        answer = await this.ask("/messages/changes", { since: this.cursor });
      } catch (error) {
        if (error.status !== 400) throw error;
        await this.load(); // the cursor is of a history that there is no more
        return [];
      }
      this.cursor = answer.cursor;
      for (const message of answer.messages) this.slice = history.withChange(this.slice, message);
      unknown.push(...history.unknownOf(this.slice, answer.messages));
      if (!answer.messages.length) return unknown;
    }
  }

  async fetchEnd(missed = []) {
    this.slice = history.withEnd(this.slice, await this.page(), { isReadingEnd: this.isReadingEnd, missed });
  }

  hear(name, data) {
    if (data.conversation_id !== this.id) return;
    if (name === "typing" || name === "stop_typing") this.noteTyping(data.sender, name === "typing");
    else this.run(() => this.take(name, data));
  }

  take(name, data) {
    if (name === "new_message") return this.takeMessage(data);
    if (name === "messages_read") return this.takeRead(data);
    const known = this.slice.messages.find(({ _id }) => _id === data._id);
    if (known) this.slice = history.withChange(this.slice, name === "message_deleted" ? emptied(known) : data);
    if (name !== "message_edited") this.soon("info", async () => this.set({ info: await refreshOne(this.id) }));
    return undefined;
  }

  /** A message as the answer to an own request shows it. */
  note(message) {
    if (message) this.run(() => this.take("message_pinned", message));
  }

  async takeMessage(message) {
    this.noteTyping(message.sender, false);
    const slice = history.withEvent(this.slice, message);
    if (slice) this.slice = slice;
    else await this.fetchEnd();
    this.lookForPreviews([message]);
  }

  /* An event says when somebody has read, not what: times are those of different machines. */
  takeRead({ reader }) {
    const me = account.get()?.name;
    if (reader !== me && this.slice.messages.some((each) => each.sender === me && !each.is_read)) this.soon("reads", () => this.fetchEnd());
  }

  noteTyping(sender, isTyping) {
    const others = this.store.get().typing.filter((each) => each !== sender);
    clearTimeout(this.timers.get(`typing ${sender}`));
    if (isTyping) this.after(`typing ${sender}`, TYPES_MS, () => this.noteTyping(sender, false));
    if (isTyping || others.length !== this.store.get().typing.length) this.set({ typing: isTyping ? [...others, sender] : others });
  }

  /** Run work in its turn, once for all who ask for it within a moment. */
  soon(name, work, wait = SOON_MS) {
    if (!this.timers.has(name)) this.after(name, wait, () => this.run(work));
  }

  after(name, wait, work) {
    this.timers.set(name, setTimeout(() => {
      this.timers.delete(name);
      work();
    }, wait));
  }

  /* No event tells that a preview is made, which it is within seconds: the end is looked at a few times. */
  lookForPreviews(messages) {
    const isRecent = ({ created_at: at }) => Date.now() - Date.parse(at) < 10 * 60_000;
    if (!messages.some((each) => each.media?.thumbnail_url && !each.media.width && isRecent(each))) this.looks = 0;
    else if (!this.timers.has("previews") && this.looks < PREVIEW_LOOKS_MS.length) {
      this.soon("previews", () => this.fetchEnd(), PREVIEW_LOOKS_MS[this.looks]);
      this.looks += 1;
    }
  }

  /** The reader has seen the newest message: say so, once. */
  async markRead() {
    const last = this.slice.messages.at(-1);
    const { info } = this.store.get();
    if (!last || !info || this.readId === last._id) return;
    this.readId = last._id;
    const isOwn = last.sender === account.get()?.name;
    const isKnown = isOwn || (info.type === "dm" ? last.is_read : lastRead(this.id) === last._id);
    try {
      if (!isKnown) await api("POST", `/conversations/${encodeURIComponent(this.id)}/read`);
      noteRead({ ...info, last_message: last });
    } catch (error) {
      this.readId = null;
      if (isPassing(error)) this.after("read", this.pause(error), () => this.markRead());
      else if (error.status) this.fail(error);
    }
  }
}
