/* Which rows are selected: by key, so that they stay so while the list changes. */

import { useRef, useState } from "../../vendor/htm-preact.js";

const NONE = new Map();

/** What is selected of `items`: `{chosen, toggle, extend, all, clear}`; `chosen` is a map from key to item. */
export function useSelection(items) {
  const [selected, setSelected] = useState(NONE);
  const anchor = useRef(null);
  const chosen = selected.size ? present(selected, items) : NONE;
  const toggle = (item) => {
    anchor.current = item.key;
    const next = new Map(chosen);
    if (!next.delete(item.key)) next.set(item.key, item);
    setSelected(next);
  };
  /* From the row that was selected last to this one. */
  const extend = (to, from = 0) => {
    const known = items.findIndex((item) => item.key === anchor.current);
    const begin = known < 0 ? from : known;
    anchor.current = items[begin]?.key ?? null;
    const range = items.slice(Math.min(begin, to), Math.max(begin, to) + 1);
    setSelected(new Map(range.map((item) => [item.key, item])));
  };
  const all = (every = items) => setSelected(new Map(every.map((item) => [item.key, item])));
  const clear = () => {
    anchor.current = null;
    setSelected(NONE);
  };
  return { chosen, toggle, extend, all, clear };
}

/* What has gone is selected no more, and what has changed is what it is now. */
function present(selected, items) {
  const found = items.filter((item) => selected.has(item.key));
  return found.length === selected.size && found.every((item) => selected.get(item.key) === item) ? selected : new Map(found.map((item) => [item.key, item]));
}
