/* What somebody has written, as text: addresses of the web in it are links, and nothing else is anything. */

import { html, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { cutAt, partsOf } from "./parts.js";

const LONG_CHARACTERS = 2400;
const LONG_LINES = 24;

/** A message's text, in the direction that it has. A long one is folded. */
export function Text({ text }) {
  const [isWhole, setWhole] = useState(false);
  const short = isWhole ? text : shortened(text);
  return html`<p class="message-text" dir="auto">${partsOf(short).map((part) => (typeof part === "string" ? part
    : html`<a href=${part.href} target="_blank" rel="noopener noreferrer nofollow">${part.text}</a>`))}${short !== text && "…"}</p>
    ${short !== text && html`<button type="button" class="button quiet message-fold" onClick=${() => setWhole(true)}>${t("chat.whole")}</button>`}`;
}

function shortened(text) {
  const lines = text.split("\n", LONG_LINES + 1);
  const fewer = lines.length > LONG_LINES ? lines.slice(0, LONG_LINES).join("\n") : text;
  return fewer.length > LONG_CHARACTERS * 1.2 ? cutAt(fewer, LONG_CHARACTERS) : fewer;
}
