/* All that the service tells of a link. */

import { html } from "../../vendor/htm-preact.js";
import { formatInstant, formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { CopyField } from "../ui/copy_field.js";
import { Dialog } from "../ui/dialog.js";
import { contentsOf, nameOf, roomOf, sizeOf, stateOf, useOf } from "./states.js";

const MOST_LISTED = 100;

/** Shows `link` until it is closed. */
export function LinkDetails({ link, onClose }) {
  const state = stateOf(link, Date.now());
  const isDownload = link.kind === "download";
  const facts = [
    [t("links.details.kind"), t(`links.kind.${link.kind}`)],
    [t("links.details.state"), t(`links.state.${state ?? "works"}`)],
    [t("links.details.made"), formatInstant(link.created_at)],
    [t("links.details.ends"), formatInstant(link.expires_at)],
    [t("links.password.label"), t(link.has_password ? "links.details.yes" : "links.details.no")],
    isDownload && [t("links.details.contents"), `${contentsOf(link)}, ${sizeOf(link)}`],
    [t("links.details.used"), useOf(link)],
    !isDownload && [t("links.details.room"), roomOf(link)],
  ].filter(Boolean);
  const rest = link.files.length - MOST_LISTED;
  return html`<${Dialog} title=${nameOf(link)} onClose=${onClose}>
    ${link.url ? html`<${CopyField} label=${t("links.address")} value=${link.url} />` : html`<p class="problem">${t("links.details.lost")}</p>`}
    <dl class="facts-list">${facts.map(([name, fact]) => html`<div><dt>${name}</dt><dd>${fact}</dd></div>`)}</dl>
    ${link.files.length > 0 && html`<section aria-label=${t("links.details.files")}>
      <h3>${t("links.details.files")}</h3>
      <ul class="link-files" tabindex="0" aria-label=${t("links.details.files")}>${link.files.slice(0, MOST_LISTED).map((file) => html`<li key=${file.file_id}>
        <bdi>${file.filename}</bdi><span class="quiet">${formatSize(file.size)}</span></li>`)}</ul>
      ${rest > 0 && html`<p class="hint">${t("links.details.rest", { count: rest })}</p>`}
    </section>`}
  <//>`;
}
