/* Changes that can be undone for some seconds: they are sent only then. */

import { t } from "../core/messages.js";
import { say } from "./toast.js";

const UNDO_SECONDS = 8;
const waiting = new Set();

/**
 * Tell by `text` that something was done, and do it by `send(isLeaving)` in a few seconds, unless somebody wants it
 * undone: then `undo()` puts back what is shown. Whoever leaves the page does not undo; `isLeaving` is true then, and
 * requests have to outlive the page (`keepalive`). `send` tells of its own failure.
 */
export function doLater(text, { send, undo }) {
  const change = { send, timer: setTimeout(() => finish(change), UNDO_SECONDS * 1000) };
  waiting.add(change);
  const takeBack = () => {
    clearTimeout(change.timer);
    if (waiting.delete(change)) undo();
  };
  change.hide = say(text, { action: { label: t("common.undo"), onSelect: takeBack }, seconds: UNDO_SECONDS });
}

/** Send what waits now: before somebody signs out. Resolves when all was sent. */
export function finishAll(isLeaving = false) {
  return Promise.all([...waiting].map((change) => finish(change, isLeaving)));
}

async function finish(change, isLeaving = false) {
  clearTimeout(change.timer);
  change.hide();
  if (waiting.delete(change)) await change.send(isLeaving);
}

window.addEventListener("pagehide", () => finishAll(true));
