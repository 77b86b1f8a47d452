/* What somebody has begun to write in each conversation, for as long as the tab lives. */

const NAME = "transfer-service chat draft";

export function draftOf(conversationId) {
  try {
    return sessionStorage.getItem(`${NAME} ${conversationId}`) ?? "";
  } catch {
    return "";
  }
}

export function keepDraft(conversationId, text) {
  try {
    if (text) sessionStorage.setItem(`${NAME} ${conversationId}`, text);
    else sessionStorage.removeItem(`${NAME} ${conversationId}`);
  } catch {
    // no room, or not allowed: the field has it still
  }
}
