/* A picture or a film of a conversation, large. */

import { html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { BASE } from "../core/page.js";
import { Dialog } from "../ui/dialog.js";
import { Icon } from "../ui/icon.js";

export function Viewer({ message, onClose }) {
  const { media, type } = message;
  const address = BASE + message.media_url;
  return html`<${Dialog} wide title=${media.name} onClose=${onClose}>
    <div class="chat-large">${type === "video" ? html`<video controls autoplay src=${address} aria-label=${media.name}></video>` : html`<img src=${address} alt=${media.name} />`}</div>
    <p><a class="button plain" href=${address} download=${media.name}><${Icon} name="download" /><span>${t("chat.download")}</span></a></p>
  <//>`;
}
