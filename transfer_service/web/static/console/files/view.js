/* How the list is looked at: its order, which the browser keeps; and where in it, which the history keeps. */

import { useEffect, useLayoutEffect, useRef, useState } from "../../vendor/htm-preact.js";

const KEY = "transfer-service files order";
const SOON_MS = 150;
const MOST_PAGES = 20;
const DEFAULT = { sort: "created", order: "desc" };
const SORTS = ["name", "size", "created", "updated"];

/** `{sort, order}` of the API, and what sets it. */
export function useOrder() {
  const [order, setOrder] = useState(readOrder);
  const choose = (next) => {
    setOrder(next);
    try {
      localStorage.setItem(KEY, JSON.stringify(next));
    } catch {
      // a browser that keeps nothing
    }
  };
  return [order, choose];
}

function readOrder() {
  try {
    const { sort, order } = JSON.parse(localStorage.getItem(KEY));
    return SORTS.includes(sort) && ["asc", "desc"].includes(order) ? { sort, order } : DEFAULT;
  } catch {
    return DEFAULT;
  }
}

/**
 * Come back to where somebody was: the history entry keeps how far the page was scrolled and which row had the focus.
 * Gives what notes that at once, as before a link is followed.
 */
export function usePlaceInHistory(table, listing, state) {
  const wanted = useRef(window.history.state?.files ?? null);
  const tries = useRef(0);
  const last = useRef(null);
  useLayoutEffect(() => {
    const { scrollRestoration } = window.history;
    window.history.scrollRestoration = "manual";
    if (!wanted.current) window.scrollTo(0, 0);
    return () => { window.history.scrollRestoration = scrollRestoration; };
  }, []);
  useLayoutEffect(() => {
    if (!wanted.current || !state.isLoaded) return;
    const { top, key } = wanted.current;
    const reached = document.documentElement.scrollHeight - window.innerHeight >= top;
    if (!reached && !state.isWhole && !state.error && (tries.current += 1) < MOST_PAGES) return void listing.more();
    wanted.current = null;
    window.scrollTo(0, top);
    if (key && document.activeElement.matches("body, main")) table.current?.focusKey(key);
  }, [state]);
  const note = () => {
    if (wanted.current) return;
    last.current = table.current?.kept.current?.key ?? last.current;
    window.history.replaceState({ ...window.history.state, files: { top: window.scrollY, key: last.current } }, "");
  };
  useEffect(() => noteLater(note), []);
  return { note, isComingBack: () => wanted.current !== null };
}

function noteLater(note) {
  let timer = null;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(note, SOON_MS);
  };
  window.addEventListener("scroll", soon, { passive: true });
  document.addEventListener("focusin", soon);
  document.addEventListener("pointerdown", note, true); // which may leave the page
  return () => {
    clearTimeout(timer);
    window.removeEventListener("scroll", soon);
    document.removeEventListener("focusin", soon);
    document.removeEventListener("pointerdown", note, true);
  };
}
