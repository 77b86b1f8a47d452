/* A text that is typed to search by, where the address says what is searched for. */

import { useEffect, useRef, useState } from "../../vendor/htm-preact.js";

const TYPED_MS = 250;

/**
 * Gives `{text, type, search}`: what the field shows, what hears its input, and what searches for the text at once. `onSearch(text)` gets
 * what was typed a moment after the last letter, made plain by `plain`. The field takes another `asked` (a link, or the way back), and
 * begins anew at another `place`.
 */
export function useSearch({ asked, place = "", plain = (text) => text, onSearch }) {
  const [text, setText] = useState(asked);
  const sent = useRef(asked);
  const here = useRef(place);
  const timer = useRef(null);
  const latest = useRef();
  latest.current = onSearch; // the timer calls what the page is by then
  useEffect(() => {
    if (asked === sent.current && place === here.current) return; // it is what was typed here, and more may be by now
    clearTimeout(timer.current);
    sent.current = asked;
    here.current = place;
    setText(asked);
  }, [asked, place]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const search = (typed) => {
    clearTimeout(timer.current);
    const wanted = plain(typed);
    if (wanted === sent.current) return;
    sent.current = wanted;
    latest.current(wanted);
  };
  const type = (event) => {
    const typed = event.target.value;
    setText(typed);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => search(typed), TYPED_MS);
  };
  return { text, type, search: () => search(text) };
}
