/* Which places have something new: their links in the navigation show it. */

import { createStore } from "../core/store.js";

/** The names of these places. Each page says it for itself, from the first time that it was shown. */
export const news = createStore(new Set());

/** Whether there is something new at a place. */
export function noteNews(place, isThere) {
  news.set((old) => (old.has(place) === isThere ? old : new Set(isThere ? [...old, place] : [...old].filter((each) => each !== place))));
}
