/* A link that was just made: its address, to be given away. */

import { html } from "../../vendor/htm-preact.js";
import { formatInstant } from "../core/format.js";
import { t } from "../core/messages.js";
import { Button } from "../ui/button.js";
import { CopyField } from "../ui/copy_field.js";
import { Dialog } from "../ui/dialog.js";
import { Icon } from "../ui/icon.js";

/** `link` is the answer of `POST /api/links`; nobody else ever learns its `password`. */
export function LinkMade({ link, password, onClose }) {
  return html`<${Dialog} title=${t("links.made.title")} isKept=${Boolean(password)} onClose=${onClose}>
    <p>${t(`links.made.${link.kind}`, { until: formatInstant(link.expires_at) })}</p>
    <${CopyField} label=${t("links.address")} value=${link.url} autofocus />
    ${password && html`<${CopyField} label=${t("links.password.label")} value=${password} hint=${t("links.made.password")} />`}
    <footer class="dialog-foot">
      <a class="button plain" href=${link.url} target="_blank" rel="noopener"><${Icon} name="forward" /><span>${t("links.open")}</span></a>
      ${canShare() && html`<${Button} icon="share" onClick=${() => shareByDevice(link)}>${t("links.made.share")}<//>`}
      <${Button} kind="primary" onClick=${onClose}>${t("links.made.done")}<//>
    </footer>
  <//>`;
}

/** Whether the device itself can hand an address on. */
export function canShare() {
  return typeof navigator.share === "function";
}

/** Hand a link's address to another program of the device. */
export function shareByDevice(link) {
  navigator.share({ url: link.url, title: link.name ?? t("shell.product") }).catch(() => {}); // nobody was chosen
}
