/* The account's unfinished uploads, as the service tells of them: the truth for all browsers, also after a crash. */

import { api, request } from "../core/api.js";
import { BASE } from "../core/page.js";
import { createStore } from "../core/store.js";
import { Stopped } from "./attempt.js";
import { candidatesOf, readMetadata } from "./decisions.js";
import { Elsewhere } from "./entries.js";
import { heldElsewhere, hold, release } from "./tabs.js";

const MOST_PAGES = 20;
const FRESH_MS = 2000;

/** `{uploads, moving}`: what GET /api/uploads gives, and the ids of those whose offset has grown since the last look. */
export const unfinished = createStore({ uploads: [], moving: new Set() });

/** How often files have arrived, as far as this page knows; whoever shows files watches it. */
export const arrived = createStore(0);

let lookedAt = -Infinity;
let looking = null;

/** Look again; one request at a time. Raises ApiError. */
export function look() {
  looking ??= lookNow().finally(() => { looking = null; });
  return looking;
}

async function lookNow() {
  const uploads = [];
  let cursor = null;
  for (let page = 0; page < MOST_PAGES && (page === 0 || cursor); page += 1) {
    const answer = await api("GET", "/api/uploads", { query: { limit: 1000, cursor } });
    uploads.push(...answer.uploads);
    cursor = answer.next_cursor;
  }
  lookedAt = performance.now();
  const ids = new Set(uploads.map((each) => each.upload_id));
  if (unfinished.get().uploads.some((each) => !ids.has(each.upload_id))) arrived.set((count) => count + 1);
  unfinished.set((old) => {
    const before = new Map(old.uploads.map((each) => [each.upload_id, each.offset]));
    const hasMoved = (each) => before.has(each.upload_id) && each.offset > before.get(each.upload_id);
    return { uploads, moving: new Set(uploads.filter(hasMoved).map((each) => each.upload_id)) };
  });
  return uploads;
}

/**
 * The unfinished upload that is of this very file: `{url, offset}`, or `{fileId}` where another page has
 * sent it meanwhile, or null. Sets `isOther` of the entry where one has
 * its name and length but other bytes. Raises Elsewhere while another page sends it, Stopped.
 */
export async function findUnfinished(entry, isOwn, signal) {
  try {
    const isKnown = !entry.mayExist && !entry.elsewhere && performance.now() - lookedAt < FRESH_MS;
    const uploads = isKnown ? unfinished.get().uploads : await look();
    if (entry.elsewhere && !uploads.some((each) => each.upload_id === entry.elsewhere)) {
      const { file_id: fileId } = await api("GET", `/api/uploads/${entry.elsewhere}`, { signal }).catch(ended);
      if (fileId) return { fileId };
    }
    for (const each of candidatesOf(uploads, entry)) {
      if (isOwn(each.upload_id)) continue;
      const found = await goOn(entry, each, signal);
      if (found) return found;
    }
    return null;
  } catch (error) {
    throw error.status === undefined ? error : new Stopped(error.status, error.detail, error.retryAfter);
  }
}

async function goOn(entry, { upload_id: id }, signal) {
  hold(id, entry.fingerprint);
  let isTaken = false;
  try {
    const others = await heldElsewhere(id);
    if (others !== null && others !== entry.fingerprint) return null;
    if (others !== null || (await isMoving(id, signal))) throw new Elsewhere(id);
    // Only now: a HEAD ends an append that is running.
    const headers = { "Tus-Resumable": "1.0.0" };
    const answer = await request("HEAD", `/api/uploads/${id}`, { headers, signal });
    isTaken = readMetadata(answer.headers.get("Upload-Metadata")).fingerprint === entry.fingerprint;
    entry.isOther = !isTaken;
    return isTaken ? { url: urlOfUpload(id), offset: Number(answer.headers.get("Upload-Offset")) } : null;
  } catch (error) {
    return ended(error);
  } finally {
    if (!isTaken) release(id);
  }
}

/* It has been cancelled, or its time was over. */
function ended(error) {
  if (error.status !== 404 && error.status !== 410) throw error;
  return false;
}

/* Whether somebody sends it just now: its offset is no promise then, and not told (docs/resumable.md). */
async function isMoving(id, signal) {
  const answer = await request("GET", `/api/uploads/${id}`, { signal });
  await answer.text(); // or the connection would not be free for others
  return !answer.headers.has("Upload-Offset");
}

/* The address of an upload, as this page reaches it. */
function urlOfUpload(id) {
  return `${window.location.origin}${BASE}/api/uploads/${id}`;
}

export function idOf(url) {
  return url.slice(url.lastIndexOf("/") + 1);
}

/** Cancel an upload, whichever door it came through. Raises ApiError. */
export async function endUnfinished({ upload_id: id, protocol }) {
  const isResumable = protocol === "tus" || protocol === "ietf";
  if (isResumable) await request("DELETE", `/api/uploads/${id}`, { headers: { "Tus-Resumable": "1.0.0" } });
  else await api("DELETE", `/api/files/${id}`);
  forget(id);
}

/** It is over, as this page knows already: finished or cancelled. */
export function forget(id) {
  unfinished.set((old) => ({ ...old, uploads: old.uploads.filter((each) => each.upload_id !== id) }));
}
