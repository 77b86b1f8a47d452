/* The rows of the page of an upload link: one for each file, with what it may be told. */

import { formatSize } from "../console/core/format.js";
import { t } from "../console/core/messages.js";
import { html, useLayoutEffect, useRef } from "../vendor/htm-preact.js";

const RUNNING = new Set(["checking", "sending"]);
const WORDS = { forbidden: "closed", gone: "gone", quota: "no_room", too_large: "no_room", link_room: "no_room", full: "full", unreadable: "unreadable" };

/** Why a file was not sent. */
export function wordFor({ problem, detail }) {
  if (detail === "Password required") return t("shared.upload.locked");
  if (problem in WORDS) return t(`shared.upload.${WORDS[problem]}`);
  return detail || t("shared.upload.failed");
}

function wordsOf(row, state) {
  const size = formatSize(row.size);
  if (state === "failed") return wordFor(row);
  if (state === "queued" || state === "done") return t(`shared.upload.${state}`, { size });
  return t(`shared.upload.${state}`, { sent: t("shared.upload.of", { sent: formatSize(row.offset), size }) });
}

/** A file: one of the queue, or one of an earlier visit, whose state is `lost`. */
export function Row({ row, queue, onRemove }) {
  const { name, offset, size } = row;
  const state = RUNNING.has(row.state) ? "running" : row.state;
  const toggle = useRef();
  const remove = useRef();
  const isOver = state === "done" || state === "lost";
  const canGoOn = state === "paused" || state === "failed";
  useLayoutEffect(() => {
    if (isOver && document.activeElement === toggle.current) remove.current.focus();
  }, [isOver]);
  const act = () => (canGoOn ? queue.resume(row) : queue.pause(row));
  const word = canGoOn ? "resume" : "pause";
  const last = state === "done" ? "hide" : "cancel";
  return html`<li data-state=${state}>
    <span class="about"><bdi class="name">${name}</bdi><span class="size">${wordsOf(row, state)}</span></span>
    <span class="choices">
      <button ref=${toggle} type="button" class="plain" hidden=${isOver} aria-label=${t(`shared.upload.${word}_of`, { name })} onClick=${act}>${t(`shared.upload.${word}`)}</button>
      <button ref=${remove} type="button" class="plain" aria-label=${t(`shared.upload.${last}_of`, { name })} onClick=${onRemove}>${t(`shared.upload.${last}`)}</button>
    </span>
    <progress aria-label=${name} max=${size || 1} value=${state === "done" ? size || 1 : offset}></progress>
  </li>`;
}
