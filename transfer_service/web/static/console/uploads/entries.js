/* A file of the queue, and what may be known of it.

   It is queued, checking (is it there in part?), sending, verifying, waiting (for the network or the service), elsewhere (another
   page sends it), paused, failed, done or cancelled. */

import { fingerprintOf } from "./fingerprint.js";

const SILENT_MS = 3000;
export const BUSY = new Set(["checking", "sending", "verifying", "waiting"]);
/** The states that go on by themselves. */
export const OPEN = new Set([...BUSY, "queued"]);
/** The states that go on when somebody says so. */
export const RESTING = new Set(["paused", "failed"]);

/** Thrown by a door's `find`: another page sends this file, by the upload of this id. */
export class Elsewhere extends Error {
  constructor(uploadId) {
    super("sent elsewhere");
    this.uploadId = uploadId;
  }
}

/** Thrown for a file that this page sends already. */
export class Twin extends Error {
  constructor(entry) {
    super("sent already");
    this.entry = entry;
  }
}

/** Thrown for a file that was to go on with an upload, and is another one. */
export class OtherFile extends Error {}

/** Thrown where an upload that was gone on with has other bytes in it. */
export class Mixed extends Error {}

let lastId = 0;

/** An entry for `{file, name, mustExist?, onFinish?}`; with `mustExist` it only goes on. */
export function makeEntry(wanted) {
  return {
    id: (lastId += 1),
    size: wanted.file.size,
    state: "queued",
    offset: 0,
    url: null,
    fingerprint: null,
    fileId: null,
    failures: 0,
    problem: null,
    detail: "",
    /** The service has an upload of this name and length, of other bytes. */
    isOther: false,
    /** An answer was lost: there may be an upload of it, or the file. */
    mayExist: false,
    /** The id of the upload by which another page sends it. */
    elsewhere: null,
    /** Its upload was begun by another page, or an earlier visit. */
    isTakenUp: false,
    /** Its upload was gone, and it has been begun once more. */
    isAnew: false,
    going: null,
    settled: null,
    timer: null,
    movedAt: 0,
    ...wanted,
  };
}

/** An earlier entry for the same bytes under the same name, for which nobody waits in particular; or undefined. */
export async function twinOf(entry, entries) {
  if (entry.onFinish) return undefined;
  for (const each of entries) {
    if (each.id >= entry.id || each.name !== entry.name || each.size !== entry.size || each.onFinish) continue;
    each.fingerprint ??= await fingerprintOf(each.file).catch(() => null);
    if (each.fingerprint === entry.fingerprint) return each;
  }
  return undefined;
}

/** Whether a connection seems to be dead: nothing has left for some seconds. */
export function isSilent({ state, movedAt }) {
  return state === "sending" && performance.now() - movedAt > SILENT_MS;
}
