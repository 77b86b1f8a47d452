/* The conversations of the account, the one with the newest message first. */

import { api } from "../core/api.js";
import { afterFault } from "../core/passing.js";
import { account } from "../core/session.js";
import { createStore } from "../core/store.js";
import { noteNews } from "../shell/news.js";
import { listen, onGap } from "./live.js";

const NOTHING = { all: [], isLoaded: false, error: null, next: null };
const READ = "transfer-service chat read";

export const conversations = createStore(NOTHING);

let me = account.get()?.id;
let loading = null;
let failures = 0;

account.watch((now) => {
  if (now?.id === me) return;
  me = now?.id;
  conversations.set(NOTHING);
});
conversations.watch(({ all }) => noteNews("chat", all.some(isUnread)));
listen(hear);
onGap(() => (conversations.get().isLoaded || conversations.get().error) && load());

/** Ask for them; what is known stays until the answer is there. */
export function load() {
  loading ??= ask().finally(() => { loading = null; });
  return loading;
}

async function ask() {
  try {
    const { conversations: all, next_cursor: next } = await api("GET", "/conversations");
    failures = 0;
    conversations.set({ all, isLoaded: true, error: null, next });
  } catch (error) {
    conversations.set((old) => ({ ...old, error }));
    afterFault(error, { failures, again: () => conversations.get().error === error && load() });
    failures += 1;
  }
}

/** The ones behind the last one that is known. Raises ApiError. */
export async function loadMore() {
  const { conversations: more, next_cursor: next } = await api("GET", "/conversations", { query: { cursor: conversations.get().next, limit: 1000 } });
  const isKnown = new Set(conversations.get().all.map(({ _id }) => _id));
  conversations.set((old) => ({ ...old, all: [...old.all, ...more.filter(({ _id }) => !isKnown.has(_id))], next }));
}

/** One of them as it is now, among the others too. Raises ApiError. */
export async function refreshOne(id) {
  const found = await api("GET", "/conversations/info", { query: { conversation_id: id } });
  put(found);
  return found;
}

/** One that the account is not in any more. */
export function forget(id) {
  conversations.set((old) => ({ ...old, all: old.all.filter(({ _id }) => _id !== id) }));
}

function put(changed) {
  conversations.set((old) => {
    const at = old.all.findIndex(({ _id }) => _id === changed._id);
    if (at >= 0 && activeAt(old.all[at]) === activeAt(changed) && old.all[at].last_message?._id === changed.last_message?._id) return { ...old, all: old.all.with(at, changed) };
    const others = old.all.filter(({ _id }) => _id !== changed._id);
    return { ...old, all: [changed, ...others].sort((one, other) => activeAt(other).localeCompare(activeAt(one))) };
  });
}

function activeAt(conversation) {
  return conversation.last_message?.created_at ?? conversation.created_at;
}

function hear(name, data) {
  const known = conversations.get().all.find(({ _id }) => _id === data.conversation_id);
  if (name === "new_message") {
    if (known) put({ ...known, last_message: data });
    else refreshOne(data.conversation_id).catch(() => {}); // the next look at all of them finds it
  } else if (!known?.last_message) return;
  else if (name === "message_edited" && known.last_message._id === data._id) put({ ...known, last_message: data });
  else if (name === "message_deleted" && known.last_message._id === data._id) put({ ...known, last_message: emptied(known.last_message) });
  else if (name === "messages_read" && data.reader === account.get()?.name) noteRead(known);
}

/** A message as it is once it is deleted. */
export function emptied(message) {
  return { ...message, content: null, media: null, media_url: null, is_deleted: true, pinned: false };
}

/** The account has read all there is in it. */
export function noteRead(conversation) {
  const last = conversation.last_message;
  if (!last) return;
  remember(conversation._id, last._id);
  if (conversation.type === "dm" && last.sender !== account.get()?.name && !last.is_read) put({ ...conversation, last_message: { ...last, is_read: true } });
  else conversations.set((old) => ({ ...old }));
}

/**
 * Whether there is something that the account has not read. Of a conversation of two the service says so; of a group it
 * says whether all have read, so what this browser has shown counts there too.
 */
export function isUnread(conversation) {
  const last = conversation.last_message;
  if (!last || last.sender === account.get()?.name || last.is_read || last.is_deleted) return false;
  return conversation.type === "dm" || lastRead(conversation._id) !== last._id;
}

/** The newest message of a conversation that this browser has shown to its end. */
export function lastRead(conversationId) {
  return reads()[conversationId];
}

function reads() {
  try {
    return JSON.parse(localStorage.getItem(`${READ} ${account.get()?.id}`)) ?? {};
  } catch {
    return {};
  }
}

function remember(conversationId, messageId) {
  try {
    localStorage.setItem(`${READ} ${account.get()?.id}`, JSON.stringify({ ...reads(), [conversationId]: messageId }));
  } catch {
    // no room, or not allowed: it is only a mark
  }
}

/** What a conversation is called: the group, or the other one. */
export function titleOf(conversation) {
  if (conversation.type === "group") return conversation.group_name;
  const own = account.get()?.name;
  return conversation.participants.find((name) => name !== own) ?? conversation.last_message?.sender ?? own;
}
