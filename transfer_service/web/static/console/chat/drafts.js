/* What somebody has begun to write in each conversation, for as long as the tab lives. */

import { account } from "../core/session.js";

const nameOf = (conversationId) => `transfer-service chat draft ${account.get()?.id} ${conversationId}`;

export function draftOf(conversationId) {
  try {
    return sessionStorage.getItem(nameOf(conversationId)) ?? "";
  } catch {
    return "";
  }
}

export function keepDraft(conversationId, text) {
  try {
    if (text) sessionStorage.setItem(nameOf(conversationId), text);
    else sessionStorage.removeItem(nameOf(conversationId));
  } catch {
    // no room, or not allowed: the field has it still
  }
}
