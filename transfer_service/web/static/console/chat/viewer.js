/* A picture or a film of a conversation, large, and the way to those before and behind it. */

import { html, useLayoutEffect, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { BASE } from "../core/page.js";
import { IconButton } from "../ui/button.js";
import { Dialog } from "../ui/dialog.js";
import { useFetched } from "../ui/fetched.js";
import { Icon } from "../ui/icon.js";

/** `message` is shown first; `messages` are those that are in memory. */
export function Viewer({ message, messages, onClose }) {
  const [id, setId] = useState(message._id);
  const all = messages.filter((each) => each.media && (each.type === "image" || each.type === "video"));
  const place = all.findIndex((each) => each._id === id);
  const shown = all[place] ?? message;
  const address = BASE + shown.media_url;
  const { turn, onError, onLoad } = useFetched(shown.media_url);
  const go = (step) => all[place + step] && setId(all[place + step]._id);
  useLayoutEffect(() => { // before the next key is pressed
    const press = (event) => {
      const forward = document.documentElement.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
      if (event.target.closest("video") || (event.key !== "ArrowLeft" && event.key !== "ArrowRight")) return;
      go(event.key === forward ? 1 : -1);
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  });
  return html`<${Dialog} wide title=${shown.media.name} onClose=${onClose}>
    <div class="chat-large" key=${shown._id}>
      ${shown.type === "video" ? html`<video key=${turn} controls autoplay src=${address} aria-label=${shown.media.name} onError=${onError} onLoadedData=${onLoad}></video>`
        : html`<img key=${turn} src=${address} alt=${shown.media.name} onError=${onError} />`}
    </div>
    <p class="chat-large-ways">
      ${all.length > 1 && html`<${IconButton} label=${t("chat.earlier")} icon="back" aria-disabled=${place <= 0} onClick=${() => go(-1)} />
        <${IconButton} label=${t("chat.later")} icon="forward" aria-disabled=${place === all.length - 1} onClick=${() => go(1)} />`}
      <a class="button plain" href=${address} download=${shown.media.name}><${Icon} name="download" /><span>${t("chat.download")}</span></a>
    </p>
  <//>`;
}
