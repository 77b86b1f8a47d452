/* Deleting, with some seconds to think again: gone from the lists at once, from the service when they are over. */

import { api, encodeName } from "../core/api.js";
import { t } from "../core/messages.js";
import { HAS_TRASH } from "../core/page.js";
import { textOf } from "../core/problems.js";
import { createStore } from "../core/store.js";
import { say } from "../ui/toast.js";
import { doLater, sendPatiently } from "../ui/undo.js";
import { refreshFiles } from "./changes.js";
import { changeItems } from "./listing.js";

const AT_ONCE = 6;
const ASKED_BEFORE_LEAVING = 100;

/** The keys of what is about to be deleted: no list shows it. */
export const going = createStore(new Set());

/* What is not sent yet: arrays of items. */
const waiting = new Set();

/** Delete items. `onUndo` is called when somebody thinks better of it. */
export async function removeItems(items, { onUndo } = {}) {
  const left = [...items];
  mark(items, true);
  waiting.add(left);
  const undo = () => {
    waiting.delete(left);
    mark(items, false);
    onUndo?.();
  };
  doLater(await describe(items), { send: (isLeaving) => carryOut(left, isLeaving), undo });
}

/* Requests are sent even so, but browsers do not promise it for very many. */
window.addEventListener("pagehide", () => {
  for (const left of waiting) for (const item of left.splice(0)) send(item).catch(() => {});
});
window.addEventListener("beforeunload", (event) => {
  const count = [...waiting].reduce((sum, left) => sum + left.length, 0);
  if (count > ASKED_BEFORE_LEAVING) event.preventDefault();
});

function mark(items, isGoing) {
  going.set((old) => {
    const next = new Set(old);
    for (const { key } of items) next[isGoing ? "add" : "delete"](key);
    return next;
  });
}

/* What is in folders goes with them, so how much that is must be said. */
async function describe(items) {
  const folders = await Promise.all(items.filter(({ isFolder }) => isFolder).map(({ name }) => api("GET", `/api/folders/${encodeName(name)}`).catch(() => null)));
  const inside = folders.reduce((count, folder) => count + (folder?.files ?? 0), 0);
  const what = items.length === 1 ? t("files.one_quoted", { name: items[0].label }) : t("files.items", { count: items.length });
  const kind = HAS_TRASH ? "trashed" : "deleted";
  return inside ? t(`files.${kind}_with`, { what, inside: t("files.files", { count: inside }) }) : t(`files.${kind}`, { what });
}

async function carryOut(left, isLeaving) {
  const failed = [];
  const removeNext = async () => {
    for (let item = left.pop(); item; item = left.pop()) {
      await sendPatiently(() => send(item), isLeaving).then(forget.bind(null, item), (error) => failed.push({ item, error }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, removeNext));
  waiting.delete(left);
  if (failed.length) tell(failed);
  refreshFiles();
}

function send({ isFolder, id, name }) {
  const sent = isFolder
    ? api("DELETE", `/api/folders/${encodeName(name)}`, { query: { recursive: "true" }, keepalive: true })
    : api("DELETE", `/api/files/${id}`, { keepalive: true });
  return sent.catch((error) => { if (error.status !== 404) throw error; });
}

function forget(gone) {
  const isGone = (item) => item.key === gone.key || (gone.isFolder && item.name.startsWith(`${gone.name}/`));
  changeItems((item) => (isGone(item) ? null : item));
  mark([gone], false);
}

function tell(failed) {
  mark(failed.map(({ item }) => item), false);
  const what = failed.length === 1 ? t("files.one_quoted", { name: failed[0].item.label }) : t("files.items", { count: failed.length });
  say(t("files.not_deleted", { what, why: textOf(failed[0].error) }), { isProblem: true });
}
