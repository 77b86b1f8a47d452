/* What is in the trash: asked for page by page, all of it where somebody searches. */

import { useEffect, useMemo } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { afterFault, persist } from "../core/passing.js";
import { createStore, useStore } from "../core/store.js";
import { folderOf, labelOf } from "../files/items.js";

const PAGE = 1000;
const NONE = { items: [], cursor: null, isLoaded: false, isWhole: false, error: null };

/**
 * `{items, isWhole, isLoaded, error, more, all, without, reload}`; `without(keys)` drops what has left it. After a fault that
 * passes it goes on by itself.
 */
export function useDeleted() {
  const deleted = useMemo(createDeleted, []);
  const state = useStore(deleted.state);
  useEffect(() => {
    deleted.more();
    return deleted.stop;
  }, []);
  return { ...state, ...deleted };
}

function createDeleted() {
  const state = createStore(NONE);
  const gone = new Set();
  let ending = new AbortController();
  let work = null;
  let failures = 0;

  async function readOn(signal) {
    try {
      const page = await ask(state.get().cursor, signal);
      failures = 0;
      if (!signal.aborted) state.set((old) => joined(old, page, gone));
    } catch (error) {
      if (signal.aborted) return;
      state.set((old) => ({ ...old, error, isLoaded: true }));
      const again = () => state.get().error === error && more();
      afterFault(error, { failures, again, signal });
      failures += 1;
    }
  }

  function more() {
    const own = ending;
    if (state.get().isWhole) return Promise.resolve();
    work ??= readOn(own.signal).finally(() => { if (own === ending) work = null; });
    return work;
  }

  function all() {
    const own = ending;
    return persist(async () => {
      while (own === ending && !state.get().isWhole) {
        await more();
        if (state.get().error) throw state.get().error;
      }
    }, { signal: own.signal }).catch(() => {}); // it is told
  }

  function without(keys) {
    for (const key of keys) gone.add(key);
    state.set((old) => ({ ...old, items: old.items.filter(({ key }) => !keys.has(key)) }));
  }

  function stop() {
    ending.abort();
    ending = new AbortController();
    work = null;
  }

  function reload() {
    stop();
    gone.clear();
    state.set(NONE);
    return more();
  }

  return { state, more, all, without, reload, stop };
}

function ask(cursor, signal) {
  return api("GET", "/api/trash", { query: { limit: PAGE, cursor }, signal });
}

/* What has left the trash while a page was asked for may be on it. */
function joined({ items }, page, gone) {
  const known = new Set([...gone, ...items.map(({ key }) => key)]);
  const added = page.files.map(deletedItem).filter(({ key }) => !known.has(key));
  return { items: [...items, ...added], cursor: page.next_cursor, isWhole: page.next_cursor === null, isLoaded: true, error: null };
}

function deletedItem(file) {
  return {
    key: file.file_id, id: file.file_id, name: file.filename, label: labelOf(file.filename), folder: folderOf(file.filename), type: file.content_type,
    size: file.size, deleted: file.deleted_at, expires: file.expires_at, isReplaced: file.reason === "replaced",
  };
}
