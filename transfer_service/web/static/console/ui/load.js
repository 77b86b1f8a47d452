/* What a page has to ask for before it can be shown. */

import { useCallback, useEffect, useState } from "../../vendor/htm-preact.js";

/**
 * Ask by `ask(signal)` once, and again when one of `inputs` changes or `reload` is called; an answer that comes too late
 * is dropped. Gives `{value, error, isLoading, reload, setValue}`; while it asks again the old value stays.
 */
export function useLoaded(ask, inputs) {
  const [state, setState] = useState({ value: undefined, error: null, isLoading: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const ending = new AbortController();
    setState((old) => ({ ...old, isLoading: true }));
    ask(ending.signal).then(
      (value) => ending.signal.aborted || setState({ value, error: null, isLoading: false }),
      (error) => ending.signal.aborted || setState((old) => ({ ...old, error, isLoading: false })),
    );
    return () => ending.abort();
  }, [...inputs, turn]);
  const reload = useCallback(() => setTurn((old) => old + 1), []);
  const setValue = useCallback((change) => setState((old) => ({ ...old, value: typeof change === "function" ? change(old.value) : change })), []);
  return { ...state, reload, setValue };
}
