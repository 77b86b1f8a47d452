/* Changes that can be undone for some seconds: they are sent only then. */

import { t } from "../core/messages.js";
import { account } from "../core/session.js";
import { say } from "./toast.js";

const UNDO_SECONDS = 8;
const waiting = new Set();

/**
 * Tell by `text` that something was done, and do it by `send(isLeaving)` in a few seconds, unless somebody wants it
 * undone: then `undo()` puts back what is shown. Whoever leaves the page does not undo; `isLeaving` is true then, and
 * requests have to outlive the page (`keepalive`). `send` tells of its own failure. Where nobody is signed in any more, it
 * is undone: the next one may be somebody else.
 */
export function doLater(text, { send, undo }) {
  if (account.get() === null) {
    undo();
    return;
  }
  const change = { send, undo, timer: setTimeout(() => finish(change), UNDO_SECONDS * 1000) };
  waiting.add(change);
  change.hide = say(text, { action: { label: t("common.undo"), onSelect: () => takeBack(change) }, seconds: UNDO_SECONDS });
}

function takeBack(change) {
  clearTimeout(change.timer);
  change.hide();
  if (waiting.delete(change)) change.undo();
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

account.watch((me) => me === null && [...waiting].forEach(takeBack));
window.addEventListener("pagehide", () => finishAll(true));
