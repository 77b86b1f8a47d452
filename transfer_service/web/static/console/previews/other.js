/* What cannot be shown: what it is, and that it can be downloaded. */

import { html } from "../../vendor/htm-preact.js";
import { urlOf } from "../core/api.js";
import { formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { labelOf } from "../files/items.js";
import { Icon } from "../ui/icon.js";
import { kindOf } from "./kinds.js";

const ICONS = { picture: "picture", film: "film", audio: "audio", pdf: "text", text: "text", other: "file" };

/** `text` says why it is not shown, `picture` is the address of its preview. */
export function Other({ file, text = t("previews.no_preview"), picture, children }) {
  const isWhole = file.status === "complete";
  return html`<div class="viewer-other">
    ${picture ? html`<img src=${picture} alt="" />` : html`<${Icon} name=${ICONS[kindOf(file)]} />`}
    <p><bdi>${labelOf(file.filename)}</bdi></p>
    <p class="quiet">${file.total_bytes !== null && html`${formatSize(file.total_bytes)} · `}${file.content_type}</p>
    <p>${text}</p>
    <p class="viewer-other-ways">${isWhole && html`<a class="button primary" href=${urlOf(`/api/files/${file.file_id}/download`)} download=${labelOf(file.filename)}>
      <${Icon} name="download" /><span>${t("previews.download")}</span></a>`}${children}</p>
  </div>`;
}
