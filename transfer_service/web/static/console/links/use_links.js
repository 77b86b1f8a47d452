/* The links that the page shows: as many of the account's as somebody has asked for, without those being taken back. */

import { useCallback, useEffect, useMemo, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { useLoaded } from "../ui/load.js";

const A_PAGE = 50;
const MOST = 1000;

/** `{links, error, hasMore, reload, more, hide, show}`, of which `more` raises ApiError; what was used meanwhile is seen when the window is looked at again. */
export function useLinks() {
  const [wanted, setWanted] = useState(A_PAGE);
  const [hidden, setHidden] = useState(new Set());
  const { value, error, reload, setValue } = useLoaded((signal) => api("GET", "/api/links", { query: { limit: wanted }, signal }), []);
  useEffect(() => {
    const look = () => document.hidden || reload();
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  const more = async () => {
    const next = await api("GET", "/api/links", { query: { limit: A_PAGE, cursor: value.next_cursor } });
    setWanted((old) => Math.min(old + A_PAGE, MOST));
    setValue((old) => ({ links: [...old.links, ...next.links], next_cursor: next.next_cursor }));
  };
  const hide = useCallback((id) => setHidden((old) => new Set([...old, id])), []);
  const show = useCallback((id) => setHidden((old) => new Set([...old].filter((each) => each !== id))), []);
  const links = useMemo(() => value?.links.filter((link) => !hidden.has(link.id)), [value, hidden]);
  return { links, error, hasMore: Boolean(value?.next_cursor), reload, more, hide, show };
}
