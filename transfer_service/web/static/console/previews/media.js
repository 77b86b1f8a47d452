/* Films and sounds. The browser asks for the parts that it plays: so one can go to any place in them. */

import { html, useState } from "../../vendor/htm-preact.js";
import { urlOf } from "../core/api.js";
import { t } from "../core/messages.js";
import { labelOf } from "../files/items.js";
import { Icon } from "../ui/icon.js";
import { Other } from "./other.js";

export function Film({ file }) {
  const [cannotPlay, setCannotPlay] = useState(false);
  const poster = file.width === null ? undefined : urlOf(`/api/files/${file.file_id}/thumbnail`, { size: 1280 });
  if (cannotPlay) return html`<${Other} file=${file} picture=${poster} text=${t("previews.cannot_play")} />`;
  return html`<video class="viewer-film" controls playsinline preload="metadata" poster=${poster} src=${urlOf(`/api/files/${file.file_id}/download`)}
    width=${file.width ?? undefined} height=${file.height ?? undefined} aria-label=${labelOf(file.filename)} onError=${() => setCannotPlay(true)}></video>`;
}

export function Audio({ file }) {
  const [cannotPlay, setCannotPlay] = useState(false);
  if (cannotPlay) return html`<${Other} file=${file} text=${t("previews.cannot_play")} />`;
  return html`<div class="viewer-sound"><${Icon} name="audio" />
    <audio controls preload="metadata" src=${urlOf(`/api/files/${file.file_id}/download`)} aria-label=${labelOf(file.filename)} onError=${() => setCannotPlay(true)}></audio></div>`;
}
