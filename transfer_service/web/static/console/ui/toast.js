/* Short news at the edge of the page, read out by screen readers; at most one thing may be done about each. */

import { html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { account, away } from "../core/session.js";
import { createStore, useStore } from "../core/store.js";
import { Button, IconButton } from "./button.js";

const SHOWN_SECONDS = 6;
const shown = createStore([]);
let lastId = 0;

/**
 * Tell something. `action` is `{label, onSelect}`, such as to undo it; `isProblem` is told at once and stays until it is
 * closed. Returns what takes it away. Nothing is told to whoever comes after the account that it is about.
 */
export function say(text, { action = null, seconds = SHOWN_SECONDS, isProblem = false } = {}) {
  if (account.get() === null) return () => {};
  const toast = { id: (lastId += 1), text, action, isProblem };
  const remove = () => shown.set((all) => all.filter((each) => each !== toast));
  shown.set((all) => [...all.filter((each) => each.text !== text || each.action), toast]);
  if (!isProblem) setTimeout(remove, seconds * 1000);
  toast.remove = remove;
  return remove;
}

account.watch((me) => me === null && shown.set([]));

/** Where they are shown; once in the page. */
export function Toasts() {
  const all = useStore(shown);
  const isAway = useStore(away);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${isAway && html`<div class="toast" key="away"><p>${t("problems.away")}</p></div>`}
    ${all.map((toast) => html`<${Toast} key=${toast.id} toast=${toast} />`)}
  </div>`;
}

function Toast({ toast }) {
  const act = () => {
    toast.remove();
    toast.action.onSelect();
  };
  return html`<div class=${toast.isProblem ? "toast bad" : "toast"} role=${toast.isProblem ? "alert" : undefined}>
    <p dir="auto">${toast.text}</p>
    ${toast.action && html`<${Button} kind="quiet" onClick=${act}>${toast.action.label}<//>`}
    <${IconButton} label=${t("common.close")} icon="close" onClick=${() => toast.remove()} />
  </div>`;
}
