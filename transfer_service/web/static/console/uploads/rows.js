/* The rows of what is sent, and of what was left unfinished. */

import { html } from "../../vendor/htm-preact.js";
import { formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { IconButton } from "../ui/button.js";
import { ProgressBar } from "../ui/progress.js";
import { queue } from "./uploads.js";
import { wordsOf } from "./words.js";

/** A file of the queue. */
export function EntryRow({ entry, onCancel }) {
  const { name, state, offset, size } = entry;
  const rests = state === "paused";
  return html`<li class=${`upload ${state}`}>
    <div class="upload-told"><bdi>${name}</bdi><span class="quiet small">${wordsOf(entry)}</span></div>
    <div class="upload-choices">
      ${state === "failed" && html`<${IconButton} label=${t("uploads.retry", { name })} icon="refresh" onClick=${() => queue.resume(entry)} />`}
      ${rests && html`<${IconButton} key="toggle" label=${t("uploads.resume", { name })} icon="play" onClick=${() => queue.resume(entry)} />`}
      ${!rests && state !== "failed" && state !== "done" && html`<${IconButton} key="toggle" label=${t("uploads.pause", { name })} icon="pause"
        onClick=${() => queue.pause(entry)} />`}
      ${state !== "done" && html`<${IconButton} label=${t("uploads.cancel", { name })} icon="close" onClick=${onCancel} />`}
    </div>
    <${ProgressBar} label=${name} value=${state === "done" ? size : offset} max=${size} />
  </li>`;
}

/** An upload that no file of this page belongs to: it was left, or comes from elsewhere. */
export function UnfinishedRow({ upload, isMoving, onCancel }) {
  const { filename: name, offset, length, protocol } = upload;
  const size = length === null ? formatSize(offset) : t("uploads.part", { sent: formatSize(offset), size: formatSize(length) });
  const how = isMoving ? "elsewhere_moving" : protocol === "tus" ? "left" : "left_elsewhere";
  return html`<li class="upload left">
    <div class="upload-told"><bdi>${name}</bdi><span class="quiet small">${t(`uploads.${how}`, { sent: size })}</span></div>
    <div class="upload-choices"><${IconButton} label=${t("uploads.cancel", { name })} icon="close" onClick=${onCancel} /></div>
    <${ProgressBar} label=${name} value=${length === null ? null : offset} max=${length ?? 1} />
  </li>`;
}
