/* The socket of the chat: loaded and connected from the first time that the chat is shown until somebody signs out. */

import { BASE } from "../core/page.js";
import { account, renew } from "../core/session.js";
import { createStore } from "../core/store.js";

const EVENTS = ["new_message", "message_edited", "message_pinned", "message_deleted", "messages_read", "typing", "stop_typing"];
const ACK_MS = 10_000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 20_000;
const LOOKED_EVERY_MS = 60_000;

/** "connecting" until there was a connection, then "on" or "lost". */
export const connection = createStore("connecting");

const listeners = new Set();
const wakers = new Set();
let socket = null;
let starting = null;
let waiting = null;
let failures = 0;

/** Hear events: `listener(name, data)`. Returns what ends it. */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Be called whenever something may have been missed: after each connect, when the page is looked at again, now and then. */
export function onGap(waker) {
  wakers.add(waker);
  return () => wakers.delete(waker);
}

/** Connect, once. */
export function connect() {
  starting ??= start().catch(() => { starting = null; }); // the network was away: the next one who needs it tries again
}

/** Tell the service something that may be lost. Resolves to its answer, null where there is none. */
export async function tell(event, data) {
  if (!socket?.connected) return null;
  return socket.timeout(ACK_MS).emitWithAck(event, data).catch(() => null);
}

async function start() {
  const { io } = await import("../../vendor/socket.io.esm.min.js");
  if (!account.get()) return;
  const made = io(window.location.origin, {
    path: `${BASE}/socket.io`, transports: ["websocket", "polling"], tryAllTransports: true, reconnectionDelayMax: 5000,
  });
  socket = made;
  made.on("connect", () => {
    failures = 0;
    connection.set("on");
    wake();
  });
  made.on("disconnect", (reason) => {
    connection.set("lost");
    if (reason === "io server disconnect") again(made); // socket.io leaves this one to us
  });
  made.on("connect_error", () => {
    connection.set("lost");
    if (!made.active) renew().catch(() => {}).then(() => again(made)); // refused: the token has ended
  });
  for (const name of EVENTS) made.on(name, (data) => listeners.forEach((each) => each(name, data)));
}

function again(made) {
  clearTimeout(waiting);
  waiting = setTimeout(() => made === socket && made.connect(), Math.min(FIRST_WAIT_MS * 2 ** failures, LONGEST_WAIT_MS));
  failures += 1;
}

function stop() {
  clearTimeout(waiting);
  socket?.disconnect();
  socket = null;
  starting = null;
  failures = 0;
  connection.set("connecting");
}

function wake() {
  for (const each of [...wakers]) each();
}

/* After sleep a connection may seem to be there that is not: what was missed is asked for in any case. */
function lookAgain() {
  if (document.hidden || !socket) return;
  if (!socket.connected) socket.connect();
  wake();
}

account.watch((me) => me || stop());
document.addEventListener("visibilitychange", lookAgain);
window.addEventListener("online", lookAgain);
window.addEventListener("focus", lookAgain);
setInterval(lookAgain, LOOKED_EVERY_MS);
