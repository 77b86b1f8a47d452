/* Pages of a list whose API gives a cursor to the next one: one at a time, or each below the last. */

import { html, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { Button } from "./button.js";
import { say } from "./toast.js";

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

/** The button below a list that reads on, where there is more: `readOn` is async, and its ApiError is told. `place` is a class of where it stands. */
export function More({ hasMore, readOn, kind, place, children }) {
  const [isBusy, setBusy] = useState(false);
  if (!hasMore) return null;
  const read = async () => {
    if (isBusy) return; // the same page would come twice
    setBusy(true);
    await readOn().catch((error) => say(textOf(error), { isProblem: true }));
    setBusy(false);
  };
  return html`<p class=${place}><${Button} kind=${kind} aria-disabled=${isBusy} onClick=${read}>${children}<//></p>`;
}
