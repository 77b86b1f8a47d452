/* The conversations, as a list of links. */

import { html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { hrefOf, Link } from "../core/router.js";
import { account } from "../core/session.js";
import { useStore } from "../core/store.js";
import { formatInstant } from "../core/format.js";
import { Button } from "../ui/button.js";
import { More } from "../ui/paging.js";
import { Empty, Failed, Loading } from "../ui/states.js";
import { leaving } from "./actions.js";
import { Avatar } from "./avatar.js";
import { conversations, isUnread, load, loadMore, titleOf } from "./conversations.js";
import { briefly } from "./days.js";
import { summaryOf } from "./summary.js";

export function ConversationList({ current, onNew }) {
  const { all, isLoaded, error, next } = useStore(conversations);
  const gone = useStore(leaving);
  const me = useStore(account);
  if (!isLoaded) return error ? html`<${Failed} error=${error} onRetry=${load} />` : html`<${Loading} />`;
  if (!all.length) {
    return html`<${Empty} icon="chat" title=${t("chat.none_title")}><p>${t("chat.none")}</p><${Button} kind="primary" icon="plus" onClick=${onNew}>${t("chat.start")}<//><//>`;
  }
  return html`<ul class="conversations" aria-label=${t("chat.conversations")}>
    ${all.map((each) => html`<li key=${each._id}><${Row} conversation=${each} isCurrent=${each._id === current} isGone=${gone.has(each.last_message?._id)} me=${me?.name} /></li>`)}
  </ul><${More} hasMore=${next} readOn=${loadMore} kind="quiet" place="more-conversations">${t("chat.more_conversations")}<//>`;
}

function Row({ conversation, isCurrent, isGone, me }) {
  const { last_message: last, type } = conversation;
  const unread = isUnread(conversation) && !isCurrent;
  const title = titleOf(conversation);
  return html`<${Link} href=${hrefOf("chat", conversation._id)} class=${unread ? "conversation unread" : "conversation"} aria-current=${isCurrent ? "page" : undefined}>
    <${Avatar} name=${title} isGroup=${type === "group"} />
    <span class="grow">
      <span class="line"><bdi class="talk-name">${title}</bdi>${last && html`<time datetime=${last.created_at} title=${formatInstant(last.created_at)}>${briefly(last.created_at)}</time>`}</span>
      <span class="line"><span class="said">${last ? said(isGone ? { ...last, is_deleted: true } : last, { me, type }) : t("chat.nothing_said")}</span>
        ${unread && html`<span class="unread-mark"><span class="only-heard">${t("chat.unread")}</span></span>`}</span>
    </span>
  <//>`;
}

function said(message, { me, type }) {
  const summary = html`<bdi>${summaryOf(message)}</bdi>`;
  if (message.sender === me) return html`${t("chat.you")}: ${summary}`;
  return type === "group" ? html`<bdi>${message.sender}</bdi>: ${summary}` : summary;
}
