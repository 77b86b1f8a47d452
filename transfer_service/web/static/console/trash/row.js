/* A row of the trash. */

import { html } from "../../vendor/htm-preact.js";
import { formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { iconOf } from "../files/items.js";
import { IconButton } from "../ui/button.js";
import { Icon } from "../ui/icon.js";
import { When } from "../ui/when.js";

const HEADS = [["name", "name"], ["size", "size"], ["added", "deleted"], ["changed", "expires"]];

export function Heads() {
  return html`${HEADS.map(([cell, name]) => html`<div role="columnheader" key=${name} class=${`cell-${cell}`}><span>${t(`trash.${name}`)}</span></div>`)}
    <div role="columnheader" class="cell-tools"><span class="only-heard">${t("trash.actions")}</span></div>`;
}

/** `actions` are restore and remove. */
export function Row({ item, actions }) {
  return html`<div role="cell" class="cell-name">
      <span class="thumbnail"><${Icon} name=${iconOf(item)} /></span>
      <div class="grow">
        <span class="name" dir="auto" title=${item.name}><bdi>${item.label}</bdi></span>
        ${item.folder && html`<span class="where" dir="auto" title=${item.folder}><bdi>${item.folder}</bdi></span>`}
      </div>
      ${item.isReplaced && html`<span class="tag">${t("trash.replaced")}</span>`}
    </div>
    <div role="cell" class="cell-size">${formatSize(item.size)}</div>
    <div role="cell" class="cell-added"><${When} at=${item.deleted} /></div>
    <div role="cell" class="cell-changed"><span class="on-phone">${t("trash.expires_short")} </span><${When} at=${item.expires} /></div>
    <div role="cell" class="cell-tools">
      <${IconButton} icon="restore" data-part="restore" label=${t("trash.restore", { name: item.label })} onClick=${() => actions.restore(item)} />
      <${IconButton} icon="trash" data-part="remove" label=${t("trash.remove_name", { name: item.label })} onClick=${() => actions.remove(item)} />
    </div>`;
}
