/* What may be done to a message that is there: edit, pin, delete. */

import { api } from "../core/api.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { createStore } from "../core/store.js";
import { say } from "../ui/toast.js";
import { doLater, sendPatiently } from "../ui/undo.js";

/** The ids of messages that are about to be deleted: they are shown as if they were. */
export const leaving = createStore(new Set());

/** Change an own message. Gives it as it is now. Raises ApiError. */
export async function edit(message, content) {
  return (await api("PATCH", `/messages/${message._id}`, { json: { content } })).message;
}

/** Pin a message or take its pin away. Gives it as it is now, null where that failed, which is told. */
export async function setPinned(message, pinned) {
  try {
    const answer = await api("PATCH", `/messages/${message._id}`, { json: { pinned } });
    say(t(pinned ? "chat.pinned" : "chat.unpinned"));
    return answer.message;
  } catch (error) {
    say(textOf(error), { isProblem: true });
    return null;
  }
}

/** Delete an own message in a few seconds, unless somebody thinks better of it. `onDeleted(message)` follows. */
export function removeSoon(message, onDeleted) {
  const show = () => leaving.set((all) => new Set([...all].filter((id) => id !== message._id)));
  const send = async (isLeaving) => {
    try {
      onDeleted((await sendPatiently((keepalive) => api("DELETE", `/messages/${message._id}`, { keepalive }), isLeaving)).message);
    } catch (error) {
      say(textOf(error), { isProblem: true });
    }
    show();
  };
  leaving.set((all) => new Set([...all, message._id]));
  doLater(t("chat.deleted"), { send, undo: show });
}
