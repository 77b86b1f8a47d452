/* One link of the list. */

import { html } from "../../vendor/htm-preact.js";
import { formatInstant } from "../core/format.js";
import { t } from "../core/messages.js";
import { IconButton } from "../ui/button.js";
import { copyText } from "../ui/copy_field.js";
import { Icon } from "../ui/icon.js";
import { MenuButton } from "../ui/menu.js";
import { say } from "../ui/toast.js";
import { canShare, shareByDevice } from "./made.js";
import { contentsOf, endOf, nameOf, roomOf, sizeOf, stateOf, useOf } from "./states.js";

export function LinkRow({ link, now, onRevoke, onDetails }) {
  const name = nameOf(link);
  const state = stateOf(link, now);
  const copy = async () => ((await copyText(link.url)) ? say(t("links.copied")) : onDetails());
  const items = [
    link.url && { label: t("links.open"), icon: "forward", onSelect: () => window.open(link.url, "_blank", "noopener") },
    { label: t("links.details.label"), icon: "info", onSelect: onDetails },
    link.url && canShare() && { label: t("links.made.share"), icon: "share", onSelect: () => shareByDevice(link) },
    { label: t("links.revoke"), icon: "trash", isDanger: true, onSelect: () => onRevoke(link) },
  ];
  return html`<li class=${state ? "link-row over" : "link-row"}>
    <span class="link-kind"><${Icon} name=${link.kind === "upload" ? "upload" : "share"} /><span class="only-heard">${t(`links.kind.${link.kind}`)}</span></span>
    <div class="grow">
      <p class="link-name"><button type="button" class="link-title" onClick=${onDetails}><bdi>${name}</bdi></button>
        ${state && html`<span class=${state === "lost" ? "tag bad" : "tag"}>${t(`links.state.${state}`)}</span>`}</p>
      <p class="link-facts">
        ${link.kind === "download" && html`${(link.name || link.files.length === 1) && html`<span>${contentsOf(link)}</span>`}<span>${sizeOf(link)}</span>`}
        <span>${useOf(link)}</span>
        ${link.kind === "upload" && html`<span>${roomOf(link)}</span>`}
        <time datetime=${link.expires_at} title=${formatInstant(link.expires_at)}>${endOf(link, now)}</time>
        ${link.has_password && html`<span class="link-lock"><${Icon} name="lock" />${t("links.with_password")}</span>`}
      </p>
    </div>
    ${link.url && html`<${IconButton} icon="copy" label=${t("links.copy_of", { name })} onClick=${copy} />`}
    <${MenuButton} label=${t("links.actions", { name })} items=${items} />
  </li>`;
}
