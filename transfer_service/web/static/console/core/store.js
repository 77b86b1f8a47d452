/* Values that more than one part of the page shows: whoever changes one tells all who show it. */

import { useEffect, useState } from "../../vendor/htm-preact.js";

/**
 * A value and those who watch it. `set` takes a new value or a function of the old one; values are never changed in
 * place, so that what is the same need not be drawn again.
 */
export function createStore(initial) {
  let value = initial;
  const watchers = new Set();
  return {
    get: () => value,
    set(next) {
      const changed = typeof next === "function" ? next(value) : next;
      if (Object.is(changed, value)) return;
      value = changed;
      for (const watch of [...watchers]) watch(value);
    },
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

/** What a store has, or the part of it that `select` picks; the component is drawn again when that changes. */
export function useStore(store, select = (value) => value) {
  const [shown, show] = useState(() => select(store.get()));
  useEffect(() => {
    const look = () => show(() => select(store.get()));
    look();
    return store.watch(look);
  }, [store]);
  return shown;
}
