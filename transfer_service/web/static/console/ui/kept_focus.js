/* Keys are not lost when the button that had them goes away: what takes its place has them. */

import { useLayoutEffect, useRef } from "../../vendor/htm-preact.js";

/**
 * Gives a ref for an element. When what has the focus in there goes away in the change of `state`, the first button, link
 * or field that is in there then gets it, or where there is none what `fallback` gives. What was only moved keeps it.
 */
export function useKeptFocus(state, fallback = () => document.getElementById("main")) {
  const element = useRef();
  const last = useRef(null);
  useLayoutEffect(() => { // before the next key is pressed
    const note = (event) => { last.current = event.target; };
    /* Some browsers tell this of what is removed, too; then the layout effect below comes first. */
    const forget = ({ target }) => queueMicrotask(() => {
      if (last.current === target) last.current = null;
    });
    const place = element.current;
    place.addEventListener("focusin", note);
    place.addEventListener("focusout", forget);
    return () => {
      place.removeEventListener("focusin", note);
      place.removeEventListener("focusout", forget);
    };
  }, []);
  useLayoutEffect(() => {
    const before = last.current;
    if (!before || document.activeElement !== document.body) return;
    const next = before.isConnected ? before : element.current.querySelector("button, a[href], input, [tabindex='0']");
    (next ?? fallback())?.focus();
  }, [state]);
  return element;
}
