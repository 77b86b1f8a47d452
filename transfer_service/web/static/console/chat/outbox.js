/*
 * Messages on their way: shown at once, sent one after the other, and kept by the browser until the service has them.
 * Each has an Idempotency-Key, so whatever is lost or crashes, sending it again never makes a second one.
 */

import { api } from "../core/api.js";
import { PASSING } from "../core/passing.js";
import { account } from "../core/session.js";
import { createStore } from "../core/store.js";
import { drop, keep, keptUnder } from "./kept.js";
import { listen, onGap } from "./live.js";

const KEPT = "transfer-service chat message";
const KEY_LIVES_MS = 23 * 60 * 60 * 1000;
const AGAIN_MS = [1000, 3000, 10_000, 30_000];
const PASSES = new Set([...PASSING, 409, 507]);

/**
 * All that are on their way: `{key, conversationId, content, replyTo, file, at, state, error, messageId}`. `file` is
 * `{id, name}` of an uploaded one. `state` is "sending", "waiting" (for the network), "failed" or "sent"; `messageId` is
 * the message that it has become, or seems to have.
 */
export const outbox = createStore([]);

let me = null;
let isRunning = false;
let timer = null;
let tries = 0;

account.watch(take);
take(account.get());
listen(recognise);
onGap(hurry);

/* Those of an earlier visit, which may have ended in the middle of it. */
function take(now) {
  const id = now?.id ?? null;
  if (id === me) return;
  me = id;
  clearTimeout(timer);
  outbox.set(me ? keptUnder(`${KEPT} ${me} `) : []);
  if (me) run();
}

/** Send a text, or with `file` a file that the account has uploaded. */
export function post(conversationId, { content = null, replyTo = null, file = null, key = newKey() }) {
  const entry = { key, conversationId, content, replyTo, file, at: Date.now(), state: "sending", error: null, messageId: null };
  outbox.set((all) => [...all.filter((each) => each.key !== key), entry]);
  remember(entry);
  run();
}

/** A key that no other message has. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Try one again that was refused. */
export function sendAgain(key) {
  const entry = outbox.get().find((each) => each.key === key);
  if (!entry) return;
  if (Date.now() - entry.at > KEY_LIVES_MS) {
    discard(key);
    post(entry.conversationId, entry.file ? { ...entry, key: newKey() } : { content: entry.content, replyTo: entry.replyTo });
  } else {
    change(key, { state: "sending", error: null });
    run();
  }
}

/** Let go of one: it was refused, or it has become a message that is shown. */
export function discard(key) {
  drop(`${KEPT} ${me} ${key}`);
  outbox.set((all) => all.filter((each) => each.key !== key));
}

function remember(entry) {
  keep(`${KEPT} ${me} ${entry.key}`, { ...entry, messageId: null, state: entry.state === "failed" ? "failed" : "sending" });
}

function change(key, values) {
  outbox.set((all) => all.map((each) => (each.key === key ? { ...each, ...values } : each)));
  const entry = outbox.get().find((each) => each.key === key);
  if (entry && "state" in values && values.state !== "sent") remember(entry);
}

async function run() {
  if (isRunning) return;
  isRunning = true;
  clearTimeout(timer);
  try {
    for (;;) {
      const next = outbox.get().find(({ state }) => state === "sending" || state === "waiting");
      if (!next || !(await send(next))) break;
    }
  } finally {
    isRunning = false;
  }
}

/* Whether the next one may be sent. */
async function send(entry) {
  const sender = me;
  try {
    const json = { conversation_id: entry.conversationId, content: entry.content, reply_to: entry.replyTo };
    if (entry.file) json.file_id = entry.file.id;
    const { message } = await api("POST", "/messages", { json, headers: { "Idempotency-Key": entry.key } });
    tries = 0;
    if (sender !== me) return false;
    change(entry.key, { state: "sent", messageId: message._id, message });
    drop(`${KEPT} ${me} ${entry.key}`);
    return true;
  } catch (error) {
    if (sender !== me) return false;
    if (!PASSES.has(error.status)) {
      change(entry.key, { state: "failed", error: { status: error.status, detail: error.detail } });
      return true;
    }
    change(entry.key, { state: "waiting" });
    const wait = Math.max((error.retryAfter ?? 0) * 1000, AGAIN_MS[Math.min(tries, AGAIN_MS.length - 1)]);
    tries += 1;
    timer = setTimeout(run, wait);
    return false;
  }
}

function hurry() {
  tries = 0;
  run();
}

/* An event may tell of a message before its request is answered: then it is the message that is shown, and not both. */
function recognise(name, message) {
  if (name !== "new_message" || message.sender !== account.get()?.name) return;
  const isIt = (each) => !each.messageId && each.state !== "failed" && each.conversationId === message.conversation_id
    && each.content === message.content && each.replyTo === message.reply_to && Boolean(each.file) === Boolean(message.media);
  const entry = outbox.get().find(isIt);
  if (entry) change(entry.key, { messageId: message._id });
}
