/* What is to be sent: a few files at once, the others in their turn, over faults for as long as it takes.

   A file is queued, checking (is it there in part?), sending, waiting (for the network or the service), elsewhere (another
   page sends it), paused, failed or done. It knows nothing of pages: a door says where things go (console_door.js). */

import { createStore } from "../core/store.js";
import { attempt, Stopped } from "./attempt.js";
import { decide, pauseAfter, problemOf } from "./decisions.js";
import { fingerprintOf } from "./fingerprint.js";
import { Pace } from "./pace.js";

const AT_ONCE = 3;
const TOLD_EVERY_MS = 100;
const LOOKED_ELSEWHERE_MS = 3000;
const SEEN_MS = 3000;
const SEEN = 5;
const SILENT_MS = 3000;
const BUSY = new Set(["checking", "sending", "waiting"]);
const OPEN = new Set([...BUSY, "queued"]);

/** Thrown by a door's `find`: another page sends this file. */
export class Elsewhere extends Error {}

let lastId = 0;

export class Queue {
  entries = [];
  recent = [];
  /** Of the files since nothing was left to do last. */
  totals = { count: 0, done: 0, bytes: 0, doneBytes: 0 };
  changed = createStore(0);
  #door;
  #pace = new Pace();
  #timer = null;
  #isHeld = false;
  #finished = new Set();

  constructor(door) {
    this.#door = door;
  }

  /**
   * Send files: `{file, name, overwrite?, metadata?}` each, `name` being the whole NAME. `onFinish(entry)` and
   * `onFail(entry)` are for who waits for one of them.
   */
  add(wanted) {
    if (!this.entries.length) this.totals = { count: 0, done: 0, bytes: 0, doneBytes: 0 };
    const added = wanted.map((each) => ({
      id: (lastId += 1), size: each.file.size, state: "queued", offset: 0, url: null, fileId: null, failures: 0, problem: null, detail: "",
      isOther: false, mayExist: false, going: null, settled: null, timer: null, movedAt: 0, ...each,
    }));
    for (const entry of added) {
      this.entries.push(entry);
      this.totals.count += 1;
      this.totals.bytes += entry.size;
    }
    this.#next();
    this.tell();
    return added;
  }

  /** Hear of each file that has arrived. Returns what ends it. */
  onFinished(hear) {
    this.#finished.add(hear);
    return () => this.#finished.delete(hear);
  }

  pause(entry) {
    this.#stop(entry, "paused");
    this.#next();
  }

  /** Go on with what rests, try again what failed. */
  resume(entry) {
    if (entry.problem === "gone") entry.url = null;
    Object.assign(entry, { failures: 0, problem: null, detail: "" });
    this.#queue(entry);
  }

  cancel(entry) {
    this.#stop(entry, "cancelled");
    this.#drop(entry);
    if (entry.url) this.#door.end(entry.url);
    this.#next();
  }

  pauseAll() {
    for (const entry of this.entries) if (OPEN.has(entry.state) || entry.state === "elsewhere") this.#stop(entry, "paused");
  }

  resumeAll() {
    for (const entry of [...this.entries]) if (entry.state === "paused" || entry.state === "failed") this.resume(entry);
  }

  cancelAll() {
    for (const entry of [...this.entries]) {
      this.#stop(entry, "cancelled");
      if (entry.url) this.#door.end(entry.url);
    }
    this.entries = [];
    this.totals = { count: 0, done: 0, bytes: 0, doneBytes: 0 };
    this.tell();
  }

  /** Begin nothing until `release`: nobody is signed in. */
  hold() {
    this.#isHeld = true;
    for (const entry of this.entries) if (BUSY.has(entry.state)) this.#stop(entry, "queued");
  }

  release() {
    this.#isHeld = false;
    this.#next();
  }

  /** Forget everything, and leave at the service what is there. */
  clear() {
    this.hold();
    this.entries = [];
    this.recent = [];
    this.tell();
  }

  /** The network is there again: try at once, and not on connections that have fallen silent. */
  wake() {
    const isSilent = (entry) => entry.state === "sending" && performance.now() - entry.movedAt > SILENT_MS;
    for (const entry of this.entries.filter((each) => each.state === "waiting" || isSilent(each))) {
      this.#stop(entry, "queued");
      entry.failures = 0;
    }
    this.#next();
  }

  /** Whether leaving the page would break something off. */
  get isActive() {
    return this.entries.some((each) => OPEN.has(each.state));
  }

  /** `{count, done, bytes, sent, speed, secondsLeft}`, of all together; null where it cannot be told. */
  get progress() {
    const { count, done, bytes, doneBytes } = this.totals;
    const sent = this.entries.reduce((sum, each) => sum + each.offset, doneBytes);
    const speed = this.entries.some((each) => each.state === "sending") ? this.#pace.speed(performance.now()) : null;
    return { count, done, bytes, sent, speed, secondsLeft: speed > 0 ? (bytes - sent) / speed : null };
  }

  #next() {
    if (this.#isHeld) return;
    let busy = this.entries.filter((each) => BUSY.has(each.state)).length;
    for (const entry of this.entries) {
      if (busy >= AT_ONCE) break;
      if (entry.state !== "queued") continue;
      busy += 1;
      this.#run(entry);
    }
  }

  async #run(entry) {
    const going = new AbortController();
    entry.going = going;
    this.#set(entry, "checking");
    try {
      await entry.settled;
      entry.fingerprint ??= await fingerprintOf(entry.file);
      const fileId = (await this.#find(entry, going.signal)) ?? (await this.#send(entry, going.signal));
      if (entry.going === going) this.#finish(entry, fileId);
    } catch (problem) {
      if (entry.going === going) this.#recover(entry, problem);
    }
  }

  /* What of it is there already: gives the id of the file where that is all of it. */
  async #find(entry, signal) {
    await entry.file.slice(0, 1).arrayBuffer(); // raises where it has been changed or deleted
    if (entry.url) return null;
    const found = await this.#door.find(entry, signal);
    signal.throwIfAborted();
    entry.mayExist = false;
    if (found?.fileId) return found.fileId;
    if (found) Object.assign(entry, { url: found.url, offset: found.offset });
    return null;
  }

  #send(entry, signal) {
    this.#set(entry, "sending");
    entry.movedAt = performance.now();
    const go = attempt(entry.file, {
      endpoint: this.#door.endpoint,
      url: entry.url,
      metadata: this.#door.metadataOf(entry),
      headers: () => this.#door.headers(),
      signal,
      onUrl: (url) => this.#made(entry, url),
      onProgress: (sent) => this.#moved(entry, sent),
    });
    entry.settled = go.settled;
    return go.result;
  }

  #made(entry, url) {
    entry.url = url;
    if (entry.state === "cancelled") this.#door.end(url);
    else this.#door.made(entry);
    this.tell();
  }

  #moved(entry, sent) {
    if (sent > entry.offset) {
      entry.failures = 0;
      this.#pace.add(sent - entry.offset, performance.now());
    }
    entry.offset = sent;
    entry.movedAt = performance.now();
    this.tell();
  }

  #finish(entry, fileId) {
    Object.assign(entry, { state: "done", offset: entry.size, fileId, going: null });
    this.totals.done += 1;
    this.totals.doneBytes += entry.size;
    this.#remove(entry);
    this.recent = [...this.recent.slice(1 - SEEN), entry];
    setTimeout(() => {
      this.recent = this.recent.filter((each) => each !== entry);
      this.tell();
    }, SEEN_MS);
    this.#door.left(entry);
    entry.onFinish?.(entry);
    for (const hear of this.#finished) hear(entry);
    this.#next();
    this.tell();
  }

  async #recover(entry, problem) {
    if (problem instanceof Elsewhere) {
      entry.going = null;
      this.#set(entry, "elsewhere");
      entry.timer = setTimeout(() => this.#queue(entry), LOOKED_ELSEWHERE_MS);
      this.#next();
    } else if (!(problem instanceof Stopped)) {
      this.#fail(entry, "unreadable", "");
    } else {
      await this.#recoverFrom(entry, problem);
    }
  }

  async #recoverFrom(entry, problem) {
    const decision = decide(problem.status, Boolean(entry.url));
    if (!entry.url) entry.mayExist = true;
    const { going } = entry;
    if (decision === "renew" && (await this.#door.renew()) && entry.failures < 3) {
      entry.failures += 1;
      if (entry.going === going) this.#queue(entry);
    } else if (entry.going !== going) {
      return; // somebody has stopped it meanwhile
    } else if (decision === "wait" || decision === "renew") {
      this.#set(entry, "waiting");
      entry.timer = setTimeout(() => this.#queue(entry), pauseAfter(entry.failures, problem.retryAfter));
      entry.failures += 1;
    } else {
      this.#fail(entry, decision === "gone" ? "gone" : problemOf(problem.status, problem.text), problem.text);
    }
  }

  #fail(entry, problem, detail) {
    Object.assign(entry, { problem, detail, going: null });
    this.#set(entry, "failed");
    entry.onFail?.(entry);
    this.#next();
  }

  #queue(entry) {
    clearTimeout(entry.timer);
    entry.going = null;
    this.#set(entry, "queued");
    this.#next();
  }

  #stop(entry, state) {
    clearTimeout(entry.timer);
    if (entry.state === "sending" && !entry.url) entry.mayExist = true;
    entry.going?.abort();
    entry.going = null;
    this.#set(entry, state);
  }

  #drop(entry) {
    this.#remove(entry);
    this.totals.count -= 1;
    this.totals.bytes -= entry.size;
    this.#door.left(entry);
  }

  #remove(entry) {
    const place = this.entries.indexOf(entry);
    if (place >= 0) this.entries.splice(place, 1);
  }

  #set(entry, state) {
    entry.state = state;
    this.tell();
  }

  /** Tell whoever shows it, a few times a second at most. */
  tell() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.changed.set((turn) => turn + 1);
    }, TOLD_EVERY_MS);
  }
}
