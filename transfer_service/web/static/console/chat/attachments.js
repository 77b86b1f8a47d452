/*
 * Files on their way into conversations: sent by the uploads of the console, then posted as messages. What is begun is
 * remembered, so that after a crash of the page the same file, chosen again, goes on where it was.
 */

import { api } from "../core/api.js";
import { account } from "../core/session.js";
import { createStore } from "../core/store.js";
import { endUnfinished, look } from "../uploads/unfinished.js";
import { addFiles, queue } from "../uploads/uploads.js";
import { drop, keep, keptUnder } from "./kept.js";
import { newKey, outbox, post } from "./outbox.js";

const KEPT = "transfer-service chat upload";

/** Where they lie until they are messages: under their own names, whatever else the account has. */
const FOLDER = "Chat attachments";

/** All of them: `{key, conversationId, name, size, replyTo, entry}`; `entry` is that of the queue, null where it was left. */
export const attaching = createStore([]);

let me = null;
let tidying = Promise.resolve();

account.watch(take);
take(account.get());
queue.changed.watch(() => {
  const ended = attaching.get().filter(({ entry }) => entry?.state === "cancelled");
  for (const { key } of ended) forget(key);
});

function take(now) {
  const id = now?.id ?? null;
  if (id === me) return;
  me = id;
  attaching.set(me ? keptUnder(`${KEPT} ${me} `).map((each) => ({ ...each, entry: null })) : []);
}

/** Send files into a conversation. One that was left there goes on. */
export function attach(conversationId, files, replyTo = null) {
  for (const file of files) {
    const isLeft = (each) => !each.entry && each.conversationId === conversationId && each.name === file.name && each.size === file.size;
    begin(file, attaching.get().find(isLeft) ?? { key: newKey(), conversationId, name: file.name, size: file.size, replyTo, at: Date.now() });
  }
}

function begin(file, wanted) {
  const sender = me;
  const { entry: _, ...kept } = wanted;
  keep(`${KEPT} ${me} ${wanted.key}`, kept);
  const onFinish = ({ fileId }) => sender === me && finish(wanted, fileId);
  const [entry] = addFiles([{ file, name: `${FOLDER}/${file.name}`, isChat: true, onFinish }]);
  attaching.set((all) => [...all.filter(({ key }) => key !== wanted.key), { ...wanted, entry }]);
}

function finish({ key, conversationId, name, replyTo }, fileId) {
  post(conversationId, { replyTo, file: { id: fileId, name }, key });
  forget(key);
}

/** Let go of one, and of what the service has of it. */
export async function cancel({ key, name, size, entry }) {
  forget(key);
  if (entry) return queue.cancel(entry);
  const found = (await look().catch(() => [])).find((each) => each.filename === `${FOLDER}/${name}`.normalize("NFC") && each.length === size);
  return found && endUnfinished(found).catch(() => {}); // or it expires
}

function forget(key) {
  drop(`${KEPT} ${me} ${key}`);
  attaching.set((all) => all.filter((each) => each.key !== key));
}

/* The folder goes when nothing is in it any more; it is nobody's but ours. */
outbox.watch((all) => {
  const isDone = ({ file, state }) => file && state === "sent";
  if (!all.some(isDone) || attaching.get().length || all.some((each) => each.file && !isDone(each))) return;
  tidying = tidying.then(tidy).catch(() => {});
});

async function tidy() {
  if (attaching.get().length) return;
  const { files, folders } = await api("GET", "/api/files", { query: { folder: FOLDER, limit: 1 } });
  const { uploads } = await api("GET", "/api/uploads", { query: { limit: 1 } });
  if (!files.length && !folders?.length && !uploads.length && !attaching.get().length) await api("DELETE", `/api/folders/${encodeURIComponent(FOLDER)}`);
}
