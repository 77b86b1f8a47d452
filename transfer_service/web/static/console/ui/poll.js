/* What changes by itself: asked for again and again, but only while somebody may see it. */

import { useCallback, useEffect, useState } from "../../vendor/htm-preact.js";

/**
 * Ask by `ask(signal)` at once, then `seconds` after each answer; not while the tab is hidden, and at once when it is
 * seen again. Gives what `useLoaded` gives: after an error the old value stays, and it is asked for further.
 */
export function usePolled(ask, seconds, inputs) {
  const [state, setState] = useState({ value: undefined, error: null, isLoading: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const polling = poll(ask, seconds, (news) => setState((old) => ({ ...old, ...news, isLoading: false })));
    return polling;
  }, [...inputs, turn]);
  const reload = useCallback(() => setTurn((old) => old + 1), []);
  const setValue = useCallback((change) => setState((old) => ({ ...old, value: typeof change === "function" ? change(old.value) : change })), []);
  return { ...state, reload, setValue };
}

/* Gives what ends it. */
function poll(ask, seconds, tell) {
  const ending = new AbortController();
  let timer = null;
  let isAsking = false;
  const look = async () => {
    clearTimeout(timer);
    if (isAsking || document.hidden || ending.signal.aborted) return;
    isAsking = true;
    const news = await ask(ending.signal).then((value) => ({ value, error: null }), (error) => ({ error }));
    isAsking = false;
    if (ending.signal.aborted) return;
    tell(news);
    timer = setTimeout(look, seconds * 1000);
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    ending.abort();
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}
