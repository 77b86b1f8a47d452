/* What is on its way into a conversation, below its messages: texts, files, and what did not get through. */

import { html } from "../../vendor/htm-preact.js";
import { formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { useStore } from "../core/store.js";
import { Button, IconButton } from "../ui/button.js";
import { Icon } from "../ui/icon.js";
import { ProgressBar } from "../ui/progress.js";
import { queue } from "../uploads/uploads.js";
import { wordsOf } from "../uploads/words.js";
import { attach, attaching, cancel } from "./attachments.js";
import { discard, outbox, sendAgain } from "./outbox.js";
import { Text } from "./text.js";

/** All of one conversation; `shown` are the messages that are in the log. */
export function Sending({ conversationId, shown }) {
  const files = useStore(attaching).filter((each) => each.conversationId === conversationId);
  const texts = useStore(outbox).filter((each) => each.conversationId === conversationId);
  useStore(queue.changed);
  const isThere = ({ messageId, state }) => state !== "failed" && messageId && shown.some(({ _id }) => _id === messageId);
  return html`${texts.filter((each) => !isThere(each)).map((each) => html`<${Outgoing} key=${each.key} entry=${each} />`)}
    ${files.map((each) => html`<${Attaching} key=${each.key} attachment=${each} />`)}`;
}

function Outgoing({ entry }) {
  const { key, content, file, state, error } = entry;
  return html`<article class="message own first outgoing" aria-label=${t("chat.on_its_way")}>
    <div class="bubble">
      ${file && html`<p class="attached"><span class="kind"><${Icon} name="file" /></span><bdi class="talk-name">${file.name}</bdi></p>`}
      ${content && html`<${Text} text=${content} />`}
      ${state !== "failed" && html`<p class="message-facts">${state === "waiting" ? t("chat.waiting") : t("chat.sending")}</p>`}
      ${state === "failed" && html`<div class="refused" role="alert"><p>${t("chat.not_sent", { reason: textOf(error) })}</p>
        <${Button} kind="quiet" onClick=${() => sendAgain(key)}>${t("common.again")}<//><${Button} kind="quiet" onClick=${() => discard(key)}>${t("chat.discard")}<//></div>`}
    </div>
  </article>`;
}

function Attaching({ attachment }) {
  const { name, size, entry, conversationId } = attachment;
  const isResting = entry?.state === "paused" || entry?.state === "failed";
  const choose = (event) => {
    const isIt = (file) => file.name === name && file.size === size;
    attach(conversationId, [...event.target.files].filter(isIt));
  };
  return html`<article class="message own first outgoing" aria-label=${name}>
    <div class="bubble sending-file">
      <p class="attached"><span class="kind"><${Icon} name="file" /></span>
        <span class="grow"><bdi class="talk-name">${name}</bdi><small class="quiet">${entry ? wordsOf(entry) : t("chat.left", { size: formatSize(size) })}</small></span></p>
      <${ProgressBar} label=${name} value=${entry?.offset ?? 0} max=${size} />
      <p class="sending-choices">
        ${!entry && html`<label class="icon-button" title=${t("uploads.resume", { name })}><input type="file" aria-label=${t("uploads.resume", { name })} onChange=${choose} /><${Icon} name="play" /></label>`}
        ${entry && (isResting ? html`<${IconButton} key="toggle" label=${t("uploads.resume", { name })} icon="play" onClick=${() => queue.resume(entry)} />`
          : html`<${IconButton} key="toggle" label=${t("uploads.pause", { name })} icon="pause" onClick=${() => queue.pause(entry)} />`)}
        <${IconButton} label=${t("uploads.cancel", { name })} icon="close" onClick=${() => cancel(attachment)} />
      </p>
    </div>
  </article>`;
}
