/* What a page has to ask for before it can be shown. */

import { useCallback, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { afterFault } from "../core/passing.js";

/**
 * Ask by `ask(signal)` once, and again when one of `inputs` changes or `reload` is called; an answer that comes too late
 * is dropped. Gives `{value, error, isLoading, reload, setValue}`; while it asks again the old value stays. After a fault
 * that passes it asks again by itself, and the error stays until there is an answer.
 */
export function useLoaded(ask, inputs) {
  const [state, setState] = useState({ value: undefined, error: null, isLoading: true });
  const [turn, setTurn] = useState(0);
  const failures = useRef(0);
  const isAgain = useRef(false);
  useEffect(() => {
    const ending = new AbortController();
    if (!isAgain.current) setState((old) => ({ ...old, isLoading: true }));
    isAgain.current = false;
    ask(ending.signal).then(
      (value) => {
        if (ending.signal.aborted) return;
        failures.current = 0;
        setState({ value, error: null, isLoading: false });
      },
      (error) => {
        if (ending.signal.aborted) return;
        setState((old) => ({ ...old, error, isLoading: false }));
        afterFault(error, { failures: failures.current, again: askAgain, signal: ending.signal });
        failures.current += 1;
      },
    );
    return () => ending.abort();
  }, [...inputs, turn]);
  const reload = useCallback(() => setTurn((old) => old + 1), []);
  const askAgain = () => {
    isAgain.current = true;
    reload();
  };
  const setValue = useCallback((change) => setState((old) => ({ ...old, value: typeof change === "function" ? change(old.value) : change })), []);
  return { ...state, reload, setValue };
}
