/* Lists of the account that are read on by a button: keys, sign-ins. */

import { api } from "../core/api.js";
import { useLoaded } from "../ui/load.js";

const LIMIT = 50;

/** The list that `path` gives under `name`: `items`, undefined at first; `change(f)` replaces them, `readOn` gets more. */
export function usePages(path, name) {
  const ask = (cursor, signal) => api("GET", path, { query: { limit: LIMIT, cursor }, signal });
  const { value, error, reload, setValue } = useLoaded(async (signal) => {
    const found = await ask(null, signal);
    return { items: found[name], cursor: found.next_cursor };
  }, [path]);
  const change = (how) => setValue((old) => old && { ...old, items: how(old.items) });
  const readOn = async () => {
    const found = await ask(value.cursor);
    const known = new Set(value.items.map((each) => each.id));
    setValue((old) => ({ items: [...old.items, ...found[name].filter((each) => !known.has(each.id))], cursor: found.next_cursor }));
  };
  return { items: value?.items, error, reload, change, readOn, hasMore: Boolean(value?.cursor) };
}
