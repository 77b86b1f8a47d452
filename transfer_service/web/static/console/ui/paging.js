/* Pages of a list whose API gives a cursor to the next one. */

import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { Button } from "./button.js";

const FIRST = { cursors: [null], query: "" };

/** Which page of a list is shown. Another `query` (a text) begins at the first one: `{cursor, number, forward(next), back}`. */
export function useCursor(query = "") {
  const [kept, setKept] = useState({ ...FIRST, query });
  const { cursors } = kept.query === query ? kept : FIRST;
  return {
    cursor: cursors.at(-1),
    number: cursors.length,
    forward: (next) => setKept({ cursors: [...cursors, next], query }),
    back: cursors.length > 1 ? () => setKept({ cursors: cursors.slice(0, -1), query }) : null,
  };
}

/** Back and forth between pages, where there is more than one. `here` is what is shown, such as "Page 2". */
export function Pager({ label, here, onBack, onForward }) {
  if (!onBack && !onForward) return null;
  return html`<nav class="pager" aria-label=${label}>
    <${Button} icon="back" aria-disabled=${!onBack} onClick=${() => onBack?.()}>${t("common.previous")}<//>
    <p role="status">${here}</p>
    <${Button} icon="forward" aria-disabled=${!onForward} onClick=${() => onForward?.()}>${t("common.next")}<//>
  </nav>`;
}

/** A text that somebody types, told a moment after the last letter. */
export function useSettled(text, milliseconds = 200) {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), milliseconds);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
