/* What the service knows of a file. */

import { html } from "../../vendor/htm-preact.js";
import { formatInstant, formatPosition, formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { CopyField } from "../ui/copy_field.js";

export function Facts({ file }) {
  const facts = [
    ["name", html`<bdi>${file.filename}</bdi>`],
    ["size", file.total_bytes === null ? null : `${formatSize(file.total_bytes)} (${t("previews.bytes", { count: file.total_bytes })})`],
    ["type", file.content_type],
    ["pixels", file.width === null ? null : html`<bdi dir="ltr">${file.width} × ${file.height}</bdi>`],
    ["duration", file.duration === null ? null : formatPosition(file.duration)],
    ["created", formatInstant(file.created_at)],
    ["updated", formatInstant(file.updated_at)],
  ].filter(([, fact]) => fact);
  return html`<aside class="viewer-facts" aria-label=${t("previews.facts")}>
    <h3>${t("previews.facts")}</h3>
    <dl class="facts-list">${facts.map(([name, fact]) => html`<div><dt>${t(`previews.fact.${name}`)}</dt><dd>${fact}</dd></div>`)}</dl>
    ${file.sha256 && html`<${CopyField} label="SHA-256" value=${file.sha256} />`}
  </aside>`;
}
