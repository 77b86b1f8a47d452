/* The beginning of a text or a program, as text and nothing else: whatever stands in it, nothing of it runs. */

import { html, useMemo, useState } from "../../vendor/htm-preact.js";
import { request } from "../core/api.js";
import { formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { labelOf } from "../files/items.js";
import { useLoaded } from "../ui/load.js";
import { Checkbox } from "../ui/field.js";
import { Failed, Loading } from "../ui/states.js";
import { Other } from "./other.js";

const MOST_BYTES = 256 * 1024;
const MOST_LINES = 10_000;
const LINES_TOGETHER = 200; // whose layout the browser need not make before they are looked at

export function Text({ file }) {
  const [isWrapped, setWrapped] = useState(true);
  const { value, error, reload } = useLoaded((signal) => beginning(file, signal), []);
  if (error) return html`<${Failed} error=${error} onRetry=${reload} />`;
  if (!value) return html`<${Loading} />`;
  if (value.parts === null) return html`<${Other} file=${file} text=${t("previews.no_text")} />`;
  return html`<div class="viewer-text">
    <div class="viewer-text-head">
      <${Checkbox} label=${t("previews.wrap")} checked=${isWrapped} onChange=${(event) => setWrapped(event.target.checked)} />
      ${value.isCut && html`<p class="hint">${t("previews.cut", { size: formatSize(value.bytes) })}</p>`}
    </div>
    <pre class=${isWrapped ? "viewer-lines wrapped scrolls" : "viewer-lines scrolls"} dir="ltr" tabindex="0" role="region" aria-label=${labelOf(file.filename)}>${value.parts.map(
      (part, place) => html`<${Lines} key=${place} lines=${part} first=${place * LINES_TOGETHER + 1} />`)}</pre>
  </div>`;
}

function Lines({ lines, first }) {
  return useMemo(() => html`<div class="part">${lines.map((line, place) => html`<code data-number=${first + place}>${line}${"\n"}</code>`)}</div>`, [lines]);
}

/* Its first lines; none where it is no text after all. */
async function beginning(file, signal) {
  const headers = { Accept: "*/*", Range: `bytes=0-${MOST_BYTES - 1}` };
  const answer = await request("GET", `/api/files/${file.file_id}/download`, { headers, signal });
  const bytes = new Uint8Array(await answer.arrayBuffer()).subarray(0, MOST_BYTES);
  const text = decode(bytes);
  if (text === null) return { parts: null };
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  if (lines.at(-1) === "") lines.pop();
  const shown = lines.slice(0, MOST_LINES);
  const isCut = file.total_bytes > bytes.length || lines.length > shown.length;
  const parts = Array.from({ length: Math.ceil(shown.length / LINES_TOGETHER) }, (_, place) => shown.slice(place * LINES_TOGETHER, (place + 1) * LINES_TOGETHER));
  return { parts, isCut, bytes: lines.length > shown.length ? new Blob([shown.join("\n")]).size : bytes.length };
}

/* UTF-8, or what its mark says, or the bytes of Windows; null for what has zeros in it. */
function decode(bytes) {
  const mark = bytes[0] * 256 + bytes[1];
  if (mark === 0xfffe || mark === 0xfeff) return new TextDecoder(mark === 0xfffe ? "utf-16le" : "utf-16be").decode(bytes);
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true }); // the last character may be cut
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}
