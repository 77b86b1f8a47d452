/* What is to be sent: a few files at once, the others in their turn, over faults for as long as it takes.

   It knows nothing of pages: a door says where things go, and what is there already (uploads.js). */

import { pauseAfter } from "../core/passing.js";
import { createStore } from "../core/store.js";
import { attempt, isSentAtOnce, Stopped } from "./attempt.js";
import { decide, problemOf } from "./decisions.js";
import { BUSY, Elsewhere, isSilent, makeEntry, Mixed, OPEN, OtherFile, RESTING, Twin, twinOf } from "./entries.js";
import { fingerprintOf } from "./fingerprint.js";
import { Tally } from "./tally.js";

const AT_ONCE = 3;
const TOLD_EVERY_MS = 100;
const TOLD_OF_MANY_MS = 300;
const MANY = 50;
const LOOKED_ELSEWHERE_MS = 3000;

export class Queue {
  entries = [];
  tally = new Tally();
  changed = createStore(0);
  #door;
  #timer = null;
  #isHeld = false;
  #finished = new Set();

  constructor(door) {
    this.#door = door;
  }

  /** Send files: `{file, name, onFinish?}` each, `name` being the whole NAME. */
  add(wanted) {
    if (!this.entries.length) this.tally = new Tally();
    const added = wanted.map(makeEntry);
    this.entries = [...this.entries, ...added];
    this.tally.add(added);
    this.#next();
    this.tell();
    return added;
  }

  /** Hear of each file that has arrived; returns what ends it. */
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
    if (entry.problem === "gone") Object.assign(entry, { url: null, offset: 0 });
    Object.assign(entry, { failures: 0, problem: null, detail: "", isAnew: false });
    this.#queue(entry);
  }

  cancel(entry) {
    this.#drop(entry);
    if (entry.url) this.#door.end(entry.url);
    this.#next();
  }

  pauseAll() {
    for (const entry of this.entries) if (!RESTING.has(entry.state)) this.#stop(entry, "paused");
  }

  resumeAll() {
    for (const entry of this.entries) if (RESTING.has(entry.state)) this.resume(entry);
  }

  cancelAll() {
    const wasHeld = this.#isHeld;
    this.#isHeld = true; // or each would let the next begin
    for (const entry of [...this.entries]) this.cancel(entry);
    this.#isHeld = wasHeld;
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
    this.tell();
  }

  /** The network is there again: try at once, and not on connections that have fallen silent. */
  wake() {
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
      if (entry.fingerprint) await entry.file.slice(0, 1).arrayBuffer(); // raises where it has been changed or deleted
      else entry.fingerprint = await fingerprintOf(entry.file);
      const fileId = await this.#find(entry, going.signal);
      going.signal.throwIfAborted();
      const sentId = fileId ?? (await this.#send(entry, going.signal));
      if (entry.isTakenUp && this.#door.isWhole) {
        this.#set(entry, "verifying"); // a fingerprint knows large files by samples only
        if (!(await this.#door.isWhole(entry, sentId))) throw new Mixed();
      }
      if (entry.going === going) this.#finish(entry, sentId);
    } catch (problem) {
      if (entry.going === going) this.#recover(entry, problem);
    }
  }

  /* What of it is there already: gives the id of the file where that is all of it. */
  async #find(entry, signal) {
    if (entry.url) return null;
    const twin = await twinOf(entry, this.entries);
    if (twin) throw new Twin(twin);
    const found = await this.#door.find(entry, signal);
    signal.throwIfAborted();
    if (!found && entry.mustExist) throw new OtherFile();
    Object.assign(entry, { mayExist: false, elsewhere: null });
    if (found?.fileId) return found.fileId;
    if (found) Object.assign(entry, { url: found.url, offset: found.offset, isTakenUp: true });
    return null;
  }

  #send(entry, signal) {
    this.#set(entry, "sending");
    entry.movedAt = performance.now();
    const go = attempt(entry.file, {
      endpoint: this.#door.endpoint,
      url: entry.url,
      isAtOnce: !this.#door.beginsEmpty && isSentAtOnce(entry.file),
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
      this.tally.move(sent - entry.offset, performance.now());
    }
    entry.offset = sent;
    entry.movedAt = performance.now();
    this.tell();
  }

  #finish(entry, fileId) {
    Object.assign(entry, { state: "done", offset: entry.size, fileId, going: null });
    this.tally.finish(entry);
    this.#remove(entry);
    entry.onFinish?.(entry);
    for (const hear of this.#finished) hear(entry);
    this.#next();
    this.tell();
  }

  #recover(entry, problem) {
    if (problem instanceof Twin) return this.#merge(entry, problem.entry);
    if (problem instanceof Elsewhere) return this.#leave(entry, problem.uploadId);
    if (problem instanceof Mixed) return this.#beginAnew(entry);
    if (problem instanceof Stopped) return this.#recoverFrom(entry, problem);
    return this.#fail(entry, problem instanceof OtherFile ? "not_same" : "unreadable", "");
  }

  /* To the other page, for as long as that sends it. */
  #leave(entry, uploadId) {
    Object.assign(entry, { going: null, elsewhere: uploadId });
    this.#set(entry, "elsewhere");
    entry.timer = setTimeout(() => this.#queue(entry), LOOKED_ELSEWHERE_MS);
    this.#next();
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
    } else if (decision === "gone" && this.#door.beginsAnew && !entry.isAnew) {
      this.#beginAnew(entry);
    } else if (decision === "wait" || decision === "renew") {
      this.#set(entry, "waiting");
      entry.timer = setTimeout(() => this.#queue(entry), pauseAfter(entry.failures, problem.retryAfter));
      entry.failures += 1;
    } else {
      this.#fail(entry, decision === "gone" ? "gone" : problemOf(problem.status, problem.text), problem.text);
    }
  }

  #beginAnew(entry) {
    this.#door.left(entry);
    Object.assign(entry, { url: null, offset: 0, isTakenUp: false, mayExist: true, isAnew: true });
    this.#queue(entry);
  }

  #merge(entry, twin) {
    this.#drop(entry);
    if (RESTING.has(twin.state)) this.resume(Object.assign(twin, { file: entry.file }));
    this.#next();
    this.tell();
  }

  #fail(entry, problem, detail) {
    Object.assign(entry, { problem, detail, going: null });
    this.#set(entry, "failed");
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
    this.#stop(entry, "cancelled");
    this.#remove(entry);
    this.tally.drop(entry);
  }

  #remove(entry) {
    const place = this.entries.indexOf(entry);
    if (place >= 0) this.entries.splice(place, 1);
    this.#door.left(entry);
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
    }, this.entries.length > MANY ? TOLD_OF_MANY_MS : TOLD_EVERY_MS);
  }
}
