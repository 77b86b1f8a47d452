/* The message that another one answers, in a line; a press goes to it. */

import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { useStore } from "../core/store.js";
import { leaving } from "./actions.js";
import { summaryOf } from "./summary.js";

/** The quoted message `id`: of those that are known, else asked for by `desk.find`. */
export function Quote({ id, desk }) {
  const known = useStore(desk.store, ({ slice }) => slice.messages.find(({ _id }) => _id === id));
  const isLeaving = useStore(leaving, (all) => all.has(id));
  const [found, setFound] = useState(null);
  useEffect(() => {
    let isShown = true;
    if (!known) desk.find(id).then((message) => isShown && setFound(message), () => {});
    return () => { isShown = false; };
  }, [id]);
  const quoted = known ?? found;
  return html`<button type="button" class="quote" onClick=${() => desk.onJump(id)}>
    <span class="only-heard">${t("chat.answers")}</span><strong><bdi>${quoted?.sender ?? "…"}</bdi></strong><span dir="auto">${quoted ? summaryOf(isLeaving ? { ...quoted, is_deleted: true } : quoted) : "…"}</span>
  </button>`;
}
