/* A message in one line. */

import { t } from "../core/messages.js";
import { cutAt } from "./parts.js";

const CHARACTERS = 140;

/** What a message says, or has attached, in a line. */
export function summaryOf(message) {
  if (message.is_deleted) return t("chat.gone");
  if (message.content) return cutAt(message.content.replace(/\s+/g, " ").trim(), CHARACTERS);
  if (message.type === "image" || message.type === "video") return t(message.type === "image" ? "chat.a_picture" : "chat.a_film");
  return message.media?.name ?? "";
}
