/* What is in the trash: asked for page by page, all of it where somebody searches. */

import { useEffect, useMemo, useRef, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { folderOf, labelOf } from "../files/items.js";

const PAGE = 1000;
const NONE = { items: [], cursor: null, isLoaded: false, isWhole: false, error: null };

/** `{items, isWhole, isLoaded, error, more, all, without, reload}`; `without(keys)` drops what has left it. */
export function useDeleted() {
  const [state, setState] = useState(NONE);
  const latest = useRef(state);
  const work = useRef(null);
  const set = (next) => {
    latest.current = next;
    setState(next);
  };
  const actions = useMemo(() => {
    const more = () => {
      if (latest.current.isWhole) return Promise.resolve();
      work.current ??= next(latest.current).then(set, (error) => set({ ...latest.current, error, isLoaded: true })).finally(() => { work.current = null; });
      return work.current;
    };
    const all = async () => {
      while (!latest.current.isWhole && !latest.current.error) await more();
    };
    const without = (keys) => set({ ...latest.current, items: latest.current.items.filter(({ key }) => !keys.has(key)) });
    const reload = () => {
      set(NONE);
      return more();
    };
    return { more, all, without, reload };
  }, []);
  useEffect(() => { actions.more(); }, []);
  return { ...state, ...actions };
}

async function next({ items, cursor }) {
  const page = await api("GET", "/api/trash", { query: { limit: PAGE, cursor } });
  const known = new Set(items.map(({ key }) => key));
  const added = page.files.map(deletedItem).filter(({ key }) => !known.has(key));
  return { items: [...items, ...added], cursor: page.next_cursor, isWhole: page.next_cursor === null, isLoaded: true, error: null };
}

function deletedItem(file) {
  return {
    key: file.file_id, id: file.file_id, name: file.filename, label: labelOf(file.filename), folder: folderOf(file.filename), type: file.content_type,
    size: file.size, deleted: file.deleted_at, expires: file.expires_at, isReplaced: file.reason === "replaced",
  };
}
