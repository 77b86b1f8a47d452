/* Pictures, films and sounds, which the browser fetches by itself and without a word of why it could not. */

import { useLayoutEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { request } from "../core/api.js";
import { persist } from "../core/passing.js";

/* What a film tells of bytes that it has and cannot show. */
const CANNOT_DECODE = 3;

/**
 * For an element that shows `path`, an address of the API without the base: `{turn, isBroken, onError, onLoad}`. After an error
 * it is asked why, with new tokens where they have ended: when a fault that passes is over, `turn`, which belongs into
 * the `key` of the element, counts up, so that it is fetched anew. `isBroken` says that it is not to be had.
 */
export function useFetched(path) {
  const [turn, setTurn] = useState(0);
  const [isBroken, setBroken] = useState(false);
  const state = useRef({});
  useLayoutEffect(() => { // before the browser can tell anything
    const ending = new AbortController();
    state.current = { ending, isAsking: false, isThere: false };
    setBroken(false);
    return () => ending.abort();
  }, [path]);
  const onLoad = () => { state.current.isThere = false; };
  const onError = async ({ target }) => {
    const own = state.current;
    if (own.isAsking) return;
    if (own.isThere || target.error?.code === CANNOT_DECODE) {
      setBroken(true);
      return;
    }
    own.isAsking = true;
    try {
      await persist(() => probe(path, own.ending.signal), { patience: Infinity, signal: own.ending.signal });
      own.isThere = true; // so another error is not about the way to it
      setTurn((old) => old + 1);
    } catch {
      if (!own.ending.signal.aborted) setBroken(true);
    } finally {
      own.isAsking = false;
    }
  };
  return { turn, isBroken, onError, onLoad };
}

/* Where the store has it, the way there is not followed: the page may show what is there, and not read it. */
async function probe(path, signal) {
  await request("HEAD", path, { headers: { Accept: "*/*" }, signal, redirect: "manual" });
}
