/* Changes that can be undone for some seconds: they are sent only then. */

import { t } from "../core/messages.js";
import { persist } from "../core/passing.js";
import { account } from "../core/session.js";
import { say } from "./toast.js";

const UNDO_SECONDS = 8;
const waiting = new Set();
/* What has been sent, and may have to be sent again. */
const trying = new Set();

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

/**
 * For what `send` does: `request(isLeaving)` until it succeeds, while its faults pass. Whoever leaves meanwhile sends it once
 * more: so it has to be a request that may come twice. Raises ApiError.
 */
export async function sendPatiently(request, isLeaving) {
  if (isLeaving) return request(true);
  const last = () => request(true).catch(() => {});
  trying.add(last);
  try {
    return await persist(() => request(false));
  } finally {
    trying.delete(last);
  }
}

/** Send what waits now: before somebody signs out, or leaves the page. Resolves when all was sent. */
export function finishAll() {
  return Promise.all([...[...waiting].map((change) => finish(change, true)), ...[...trying].map((last) => last())]);
}

async function finish(change, isLeaving = false) {
  clearTimeout(change.timer);
  change.hide();
  if (waiting.delete(change)) await change.send(isLeaving);
}

account.watch((me) => me === null && [...waiting].forEach(takeBack));
window.addEventListener("pagehide", finishAll);
