/* What somebody has written, as text: addresses of the web in it are links, and nothing else is anything. */

import { html, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`\u0000-\u001f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gi;
const BEHIND = /[.,;:!?…)\]}*_~]+$/;
const LONG_CHARACTERS = 2400;
const LONG_LINES = 24;

/** A text cut into strings and `{href, text}`: pure. */
export function partsOf(text) {
  const parts = [];
  let at = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = withoutEnd(found);
    const href = hrefOf(address);
    if (!href) continue;
    if (index > at) parts.push(text.slice(at, index));
    parts.push({ href, text: address });
    at = index + address.length;
  }
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}

/* A full stop or a bracket behind an address belongs to the sentence, unless the address has opened the bracket. */
function withoutEnd(found) {
  const end = BEHIND.exec(found)?.[0] ?? "";
  const kept = end.startsWith(")") && found.slice(0, -end.length).includes("(") ? 1 : 0;
  return found.slice(0, found.length - end.length + kept);
}

function hrefOf(address) {
  try {
    const url = new URL(address);
    return (url.protocol === "http:" || url.protocol === "https:") && url.hostname ? url.href : null;
  } catch {
    return null;
  }
}

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

/** The first characters of a text; none is cut in two. */
export function cutAt(text, length) {
  if (text.length <= length) return text;
  const isHalf = /[\ud800-\udbff]/.test(text[length - 1]);
  return text.slice(0, isHalf ? length - 1 : length);
}
