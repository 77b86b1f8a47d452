/* Downloads of all accounts: read as a list, and while a page shows them the running ones are followed live. */

import { useEffect } from "../../vendor/htm-preact.js";
import { api, urlOf } from "../core/api.js";
import { createStore, useStore } from "../core/store.js";

const PAGE = 100;
const FINAL = new Set(["completed", "error", "cancelled"]);
/* Over HTTP/1.1 a browser has six connections to a service, for all its tabs. Those beyond are looked at in the list. */
const MOST_STREAMS = 2;
const LOOKED_EVERY_MS = 15_000;
const LOOKED_WITHOUT_STREAM_MS = 2000;

/** `jobs` as GET /api/downloads has them, the active ones first; `cursor` where there are more; `error` of the last look. */
export const downloads = createStore({ jobs: [], cursor: null, isLoaded: false, error: null });

const streams = new Map();
/* Until when there is no further try, by the clock of the page: a stream may be refused by what passes. */
const refused = new Map();
const listeners = new Set();
/* Games whose download has been begun here since the last look: it may be over before the list has it. */
const begun = new Set();
let shown = 0;
let timer = null;
let turn = 0;

export function isActive(job) {
  return !FINAL.has(job.status);
}

/** The downloads, kept up to date for as long as the component is drawn. */
export function useDownloads() {
  useEffect(() => {
    shown += 1;
    if (shown === 1) begin();
    return () => {
      shown -= 1;
      if (shown === 0) end();
    };
  }, []);
  return useStore(downloads);
}

/** Hear of each download that ends while it is followed, with its entry of the list. Gives what ends that. */
export function onEnded(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The last download of a game, or undefined. */
export function latestOf(jobs, gameId) {
  return jobs.find((job) => job.gameId === gameId);
}

/** A download was begun here. A look has to follow at once. */
export function noteBegun(gameId) {
  begun.add(gameId);
}

/** Ask for the list again. Does not raise: the error is in the store. */
export async function look() {
  turn += 1;
  const asked = turn;
  try {
    const { downloads: jobs, next_cursor: cursor } = await api("GET", "/api/downloads", { query: { limit: PAGE } });
    if (asked === turn) take(jobs, cursor);
  } catch (error) {
    if (asked === turn) downloads.set((old) => ({ ...old, error }));
  }
  if (asked === turn) follow();
}

/** Read on in the list, where it has more. Raises ApiError. */
export async function lookFurther() {
  const { downloads: jobs, next_cursor: cursor } = await api("GET", "/api/downloads", { query: { limit: PAGE, cursor: downloads.get().cursor } });
  downloads.set((old) => ({ ...old, jobs: joined(old.jobs, jobs), cursor }));
}

function begin() {
  document.addEventListener("visibilitychange", lookWhenSeen);
  refused.clear();
  look();
}

function end() {
  document.removeEventListener("visibilitychange", lookWhenSeen);
  turn += 1; // what is on its way counts no more
  follow();
}

function lookWhenSeen() {
  refused.clear();
  if (document.hidden) follow();
  else look();
}

function take(jobs, cursor) {
  const old = downloads.get();
  const isShort = old.jobs.length <= PAGE;
  downloads.set({ jobs: joined(jobs, old.jobs.filter((job) => !isActive(job))), cursor: isShort ? cursor : old.cursor, isLoaded: true, error: null });
  for (const job of jobs) {
    const before = old.jobs.find((each) => keyOf(each) === keyOf(job));
    const hasRun = before ? isActive(before) : begun.has(job.gameId) && latestOf(jobs, job.gameId) === job;
    if (hasRun && !isActive(job)) listeners.forEach((listener) => listener(job));
  }
  begun.clear();
}

export function keyOf(job) {
  return `${job.gameId} ${job.startedAt}`;
}

function joined(first, second) {
  const known = new Set(first.map(keyOf));
  return [...first, ...second.filter((job) => !known.has(keyOf(job)))];
}

/* Have a stream for what is running and shown, and a time for the next look. */
function follow() {
  clearTimeout(timer);
  const isSeen = shown > 0 && !document.hidden;
  const running = isSeen ? downloads.get().jobs.filter(isActive).map((job) => job.gameId) : [];
  for (const gameId of [...streams.keys()]) if (!running.includes(gameId)) close(gameId);
  for (const gameId of running) if (streams.size < MOST_STREAMS && !streams.has(gameId) && mayOpen(gameId)) open(gameId);
  const isFollowed = running.every((gameId) => streams.has(gameId));
  if (isSeen) timer = setTimeout(look, isFollowed ? LOOKED_EVERY_MS : LOOKED_WITHOUT_STREAM_MS);
}

function mayOpen(gameId) {
  return performance.now() >= (refused.get(gameId) ?? 0);
}

function open(gameId) {
  const stream = new EventSource(urlOf(`/api/downloads/${encodeURIComponent(gameId)}/download/progress`));
  streams.set(gameId, stream);
  stream.onmessage = ({ data }) => hear(gameId, JSON.parse(data));
  stream.onerror = () => {
    if (stream.readyState !== EventSource.CLOSED) return; // else it connects again by itself
    close(gameId);
    refused.set(gameId, performance.now() + LOOKED_EVERY_MS);
    follow();
  };
}

function close(gameId) {
  streams.get(gameId)?.close();
  streams.delete(gameId);
}

/* The list has what the stream's last word lacks: why it failed, and when it ended. */
function hear(gameId, progress) {
  if (FINAL.has(progress.status)) {
    close(gameId);
    look();
    return;
  }
  downloads.set((old) => ({ ...old, jobs: old.jobs.map((job) => (job.gameId === gameId && isActive(job) ? { ...job, ...progress } : job)) }));
}
