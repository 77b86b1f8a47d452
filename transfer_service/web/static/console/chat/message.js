/* One message of the log. */

import { Component, html } from "../../vendor/htm-preact.js";
import { formatClock, formatInstant } from "../core/format.js";
import { t } from "../core/messages.js";
import { BASE } from "../core/page.js";
import { Icon } from "../ui/icon.js";
import { MenuButton } from "../ui/menu.js";
import { Media } from "./media.js";
import { Quote } from "./quote.js";
import { cutAt } from "./parts.js";
import { Text } from "./text.js";

const NAMED_CHARACTERS = 40;

/**
 * A message. `isOwn`, `isFirst` (of several of one sender), `withName`, `isLeaving` (about to be deleted), `isFound`
 * (somebody went to it); `desk` is what may be done: `{onReply, onEdit, onPin, onDelete, onOpen, onJump, find}`. Drawn
 * again only where something of this has changed.
 */
export class Message extends Component {
  shouldComponentUpdate(next) {
    return Object.keys(next).some((name) => next[name] !== this.props[name]);
  }

  render() {
    const { message, isOwn, isFirst, withName, isLeaving, isFound, desk } = this.props;
    const isGone = message.is_deleted || isLeaving;
    const classes = ["message", isOwn && "own", isFirst && "first", isGone && "gone", isFound && "found", message.media && !isGone && "with-media"];
    return html`<article class=${classes.filter(Boolean).join(" ")} tabindex="-1" data-id=${message._id} aria-label=${t("chat.of", { name: message.sender, time: formatClock(message.created_at) })}>
      <div class="bubble">
        ${withName && html`<p class="sender"><bdi>${message.sender}</bdi></p>`}
        ${isGone ? html`<p class="message-text quiet">${t("chat.gone")}</p>` : html`
          ${message.reply_to && html`<${Quote} id=${message.reply_to} desk=${desk} />`}
          ${message.media && html`<${Media} message=${message} onOpen=${desk.onOpen} />`}
          ${message.content && html`<${Text} text=${message.content} />`}`}
        <${Facts} message=${message} isOwn=${isOwn} isGone=${isGone} />
      </div>
      ${!isGone && html`<div class="act"><${MenuButton} label=${t("chat.actions", { message: nameOf(message) })} tabindex="-1" items=${itemsOf(message, isOwn, desk)} /></div>`}
    </article>`;
  }
}

/** What a message is called where its actions are. */
export function nameOf(message) {
  const text = (message.content ?? message.media?.name ?? "").replace(/\s+/g, " ").trim();
  return text.length > NAMED_CHARACTERS ? `${cutAt(text, NAMED_CHARACTERS)}…` : text;
}

function Facts({ message, isOwn, isGone }) {
  return html`<p class="message-facts">
    ${message.pinned && !isGone && html`<${Icon} name="pin" /><span class="only-heard">${t("chat.is_pinned")}</span>`}
    ${message.edited_at && !isGone && html`<span title=${formatInstant(message.edited_at)}>${t("chat.edited")}</span>`}
    <time datetime=${message.created_at} title=${formatInstant(message.created_at)}>${formatClock(message.created_at)}</time>
    ${isOwn && !isGone && html`<${Icon} name=${message.is_read ? "checks" : "check"} /><span class="only-heard">${t(message.is_read ? "chat.read" : "chat.sent")}</span>`}
  </p>`;
}

function itemsOf(message, isOwn, desk) {
  return [
    { label: t("chat.reply"), icon: "reply", onSelect: () => desk.onReply(message) },
    message.content && { label: t("chat.copy"), icon: "copy", onSelect: () => desk.onCopy(message) },
    { label: t(message.pinned ? "chat.unpin" : "chat.pin"), icon: "pin", onSelect: () => desk.onPin(message) },
    message.media && { label: t("chat.download"), icon: "download", href: BASE + message.media_url, download: message.media.name },
    isOwn && { label: t("chat.edit"), icon: "rename", onSelect: () => desk.onEdit(message) },
    isOwn && { label: t("chat.delete"), icon: "trash", isDanger: true, onSelect: () => desk.onDelete(message) },
  ];
}
