/* The uploads of the console: one queue for all its pages.

   - `addFiles([{file, name, onFinish?}])` sends files to the account and gives their entries (entries.js):
     `name` is the whole NAME (folders/label), `onFinish(entry)` is called when one has arrived as the file `fileId`. They
     go on over every fault of the network and the service, and are shown under Files. `queue.changed` tells of progress,
     `queue.pause|resume|cancel(entry)` are for buttons.
   - `arrived` is a store: how many files have arrived on this page until now. Who shows files watches it. */

import { api, csrfHeaders } from "../core/api.js";
import { BASE } from "../core/page.js";
import { persist } from "../core/passing.js";
import { account, onOther, refresh, renew } from "../core/session.js";
import { isSentAtOnce, Stopped } from "./attempt.js";
import { digestOf } from "./fingerprint.js";
import { lookAtNames } from "./numbered.js";
import { Queue } from "./queue.js";
import { hold, release } from "./tabs.js";
import { arrived, endUnfinished, findUnfinished, forget, idOf, look } from "./unfinished.js";

const TOLD_EVERY_MS = 500;
const SEEN_MS = 3000;
const SEEN = 5;
const LOOKED_AT = 50;
const ASKED_FOR_MS = 600_000;

const door = {
  endpoint: `${window.location.origin}${BASE}/api/uploads`,
  headers: csrfHeaders,
  renew: () => renew().catch(() => false), // and again by and by

  metadataOf({ file, name, fingerprint }) {
    const own = { filename: name, fingerprint };
    if (file.type) own.filetype = file.type;
    return own;
  },

  async find(entry, signal) {
    const found = await findUnfinished(entry, isOwn, signal);
    if (found?.url) hold(idOf(found.url), entry.fingerprint);
    return found ?? (entry.mayExist ? findFinished(entry, signal) : null);
  },

  async isWhole({ file }, fileId) {
    const [{ sha256 }, own] = await Promise.all([api("GET", `/api/files/${fileId}`).catch(stop), digestOf(file)]);
    if (sha256 === own) return true;
    await api("DELETE", `/api/files/${fileId}`, { query: { permanent: true } }).catch(stop);
    return false;
  },

  made: ({ url, fingerprint }) => hold(idOf(url), fingerprint),

  left: ({ url }) => url && release(idOf(url)),

  end: (url) => persist(() => endUnfinished({ upload_id: idOf(url), protocol: "tus" })).catch(() => {}), // or it expires
};

export const queue = new Queue(door);
export { arrived };
/** Entries that have arrived in the last seconds, a few of them; `queue.changed` tells when they are others. */
export const recent = [];

let telling = null;
const named = [];

export function addFiles(wanted) {
  return queue.add(wanted);
}

/** Whether an upload of the service's list is one that this page sends, or has just sent: a list may be older than its end. */
export function isOwn(id) {
  return [...queue.entries, ...recent].some((each) => each.url && idOf(each.url) === id);
}

/* The answer to a request that had sent all of it may have been lost: then the file is there, perhaps with a number. */
async function findFinished({ file, name, size }, signal) {
  if (!isSentAtOnce(file)) return null;
  const stem = name.normalize("NFC").replace(/\.[^./]*$/, "");
  const query = { prefix: stem, status: "complete", sort: "created", order: "desc", limit: LOOKED_AT };
  try {
    const { files } = await api("GET", "/api/files", { query, signal });
    const alike = files.filter((each) => each.total_bytes === size);
    if (!alike.length) return null;
    const digest = await digestOf(file);
    const found = alike.find((each) => each.sha256 === digest && Date.now() - Date.parse(each.created_at) < 3_600_000);
    return found ? { fileId: found.file_id } : null;
  } catch (error) {
    return stop(error);
  }
}

/* The queue knows errors by what it does about them. */
function stop(error) {
  throw error.status === undefined ? error : new Stopped(error.status, error.detail, error.retryAfter);
}

queue.onFinished((entry) => {
  if (!entry.onFinish && entry.fileId) named.push(entry);
  if (recent.length === SEEN) recent.shift();
  recent.push(entry);
  if (entry.url) forget(idOf(entry.url));
  setTimeout(forgetRecent, SEEN_MS, entry);
  telling ??= setTimeout(() => {
    telling = null;
    const told = named.splice(0);
    persist(() => lookAtNames(told), { patience: ASKED_FOR_MS }).catch(() => {}); // then nothing is told of their numbers
    arrived.set((count) => count + 1);
    if (!queue.entries.length) {
      refresh();
      look().catch(() => {});
    }
  }, TOLD_EVERY_MS);
});

function forgetRecent(entry) {
  const place = recent.indexOf(entry);
  if (place < 0) return;
  recent.splice(place, 1);
  queue.tell();
}

account.watch((me) => (me ? queue.release() : queue.hold()));
onOther(() => queue.clear());

window.addEventListener("online", () => queue.wake());
window.addEventListener("beforeunload", (event) => {
  if (queue.isActive) event.preventDefault();
});
