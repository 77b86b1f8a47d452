/* Telling the others that somebody writes: seldom, and that he has stopped. */

import { tell } from "./live.js";

const TOLD_EVERY_MS = 3000;
const STOPS_MS = 5000;

/** Tell it of one conversation: `write()` at each stroke, `stop()` when it is sent or left. */
export function makeTyping(conversationId, { onRefused }) {
  let toldAt = 0;
  let timer = null;
  const send = async (event) => {
    const answer = await tell(event, { conversation_id: conversationId });
    if (answer && !answer.success) onRefused();
  };
  const stop = () => {
    clearTimeout(timer);
    if (toldAt) send("stop_typing");
    toldAt = 0;
  };
  const write = () => {
    clearTimeout(timer);
    timer = setTimeout(stop, STOPS_MS);
    if (Date.now() - toldAt < TOLD_EVERY_MS) return;
    toldAt = Date.now();
    send("typing");
  };
  return { write, stop };
}
