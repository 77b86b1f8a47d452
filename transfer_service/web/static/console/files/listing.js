/* Lists of what lies in folders, or of what a search finds: asked for page by page, kept for the way back. */

import { api } from "../core/api.js";
import { afterFault, isPassing, persist } from "../core/passing.js";
import { account } from "../core/session.js";
import { createStore } from "../core/store.js";
import { fileItem, folderItem } from "./items.js";

const FIRST_PAGE = 200;
const PAGE = 1000;
const KEPT = 8;
const REFRESHED = 5000;
const GONE = 404;
const EMPTY = { items: [], isWhole: false, isLoaded: false, error: null };

const kept = new Map();

/** The list of a query `{folder, search, sort, order}`: the one that was shown before, if it is still here. */
export function listingOf(query) {
  const key = JSON.stringify([account.get()?.id, query.folder, query.search, query.sort, query.order]);
  const listing = kept.get(key) ?? createListing(query);
  kept.delete(key);
  kept.set(key, listing);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  return listing;
}

/** Let `change`, from an item to what it is now or null, be done in every list that is kept. */
export function changeItems(change) {
  for (const listing of kept.values()) listing.change(change);
}

/**
 * `state` has `{items, isWhole, isLoaded, error}`. `more` gets the next page, `all` every one; `refresh(seen)` asks again for
 * what is there, unless `seen`, the last row that is shown, lies so deep that this would be long; nobody has to hear
 * that it could not. After a fault that passes it goes on by itself until `stop`.
 */
function createListing(query) {
  const state = createStore(EMPTY);
  const listing = { query, state, more, all, refresh, change, stop };
  let keys = new Set();
  let cursor = null;
  let work = null;
  let ending = null;
  let resting = null;
  let failures = 0;

  const set = (part) => state.set((old) => ({ ...old, ...part }));

  const failed = (error) => {
    set({ error, isLoaded: true });
    later(error, readOn);
  };
  const gone = (error) => {
    cursor = null;
    keys = new Set();
    set({ items: [], isWhole: false, isLoaded: true, error });
  };

  function later(error, again) {
    const own = new AbortController();
    resting = own;
    afterFault(error, { failures, again, signal: own.signal });
    failures += 1;
  }

  /* One thing at a time: the cursor belongs to the items. */
  function run(task, onError) {
    const own = new AbortController();
    resting?.abort();
    ending = own;
    work = task(own.signal)
      .then(() => { failures = 0; })
      .catch((error) => {
        if (!own.signal.aborted) onError(error);
      })
      .finally(() => {
        if (ending === own) work = null;
      });
    return work;
  }

  function more() {
    if (work || state.get().isWhole) return work ?? Promise.resolve();
    set({ error: null, isLoaded: state.get().items.length > 0 });
    return readOn();
  }

  function readOn() {
    return run(async (signal) => {
      const page = await ask(query, cursor, cursor ? PAGE : FIRST_PAGE, signal);
      cursor = page.cursor;
      set({ items: [...state.get().items, ...unknown(page.items, keys)], isWhole: !cursor, isLoaded: true, error: null });
    }, failed);
  }

  /* What it could not get in the end is told as by `more`. */
  function all() {
    return persist(async () => {
      while (!state.get().isWhole) {
        await more();
        if (state.get().error) throw state.get().error;
      }
    }).catch(() => {});
  }

  function refresh(seen = 0) {
    if (!state.get().isLoaded) return more();
    if (state.get().items.length > REFRESHED && seen > REFRESHED - PAGE) return Promise.resolve();
    ending?.abort();
    return run(async (signal) => {
      const wanted = Math.min(state.get().items.length, REFRESHED);
      const items = [];
      const found = new Set();
      let next = null;
      do {
        const page = await ask(query, next, next || wanted > FIRST_PAGE ? PAGE : FIRST_PAGE, signal);
        items.push(...unknown(page.items, found));
        next = page.cursor;
      } while (next && items.length < wanted);
      cursor = next;
      keys = found;
      set({ items: same(state.get().items, items), isWhole: !next, error: null });
    }, (error) => {
      if (error.status === GONE) gone(error);
      else if (isPassing(error)) later(error, () => refresh(seen));
    });
  }

  function change(how) {
    const items = state.get().items.map(how).filter(Boolean);
    set({ items: same(state.get().items, items) });
  }

  function stop() {
    resting?.abort();
    if (state.get().isLoaded) return;
    ending?.abort();
    work = null;
  }

  return listing;
}

async function ask({ folder, search, sort, order }, cursor, limit, signal) {
  const query = new URLSearchParams({ folder, sort, order, limit });
  if (search) query.set("search", search);
  if (cursor) query.set("cursor", cursor);
  const answer = await api("GET", `/api/files?${query}`, { signal });
  return { items: [...(answer.folders ?? []).map(folderItem), ...answer.files.map(fileItem)], cursor: answer.next_cursor };
}

/* What changes while pages are asked for may be on two of them. */
function unknown(items, keys) {
  return items.filter(({ key }) => !keys.has(key) && keys.add(key));
}

/* What has not changed stays the object it was, so that nothing is drawn anew. */
function same(before, now) {
  const known = new Map(before.map((item) => [item.key, item]));
  const items = now.map((item) => (isSame(known.get(item.key), item) ? known.get(item.key) : item));
  return items.length === before.length && items.every((item, index) => item === before[index]) ? before : items;
}

function isSame(one, other) {
  return one && Object.keys(other).every((key) => one[key] === other[key]);
}
