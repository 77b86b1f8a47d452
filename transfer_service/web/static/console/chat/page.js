/* The page chat: the conversations, and the one that the address names beside them, or on a phone in their place. */

import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { useStore } from "../core/store.js";
import { IconButton } from "../ui/button.js";
import { Empty } from "../ui/states.js";
import { Conversation } from "./conversation.js";
import { conversations, isUnread, load, titleOf } from "./conversations.js";
import { ConversationList } from "./list.js";
import { connect } from "./live.js";
import { NewConversation } from "./new.js";

export default function Page({ labels }) {
  const [id] = labels;
  const [isNew, setNew] = useState(false);
  useEffect(() => {
    connect();
    load();
  }, []);
  useTitle(id);
  return html`<div class=${id ? "chat with-talk" : "chat"}>
    <h1 class="only-heard">${t("chat.title")}</h1>
    <section class="chat-list" aria-label=${t("chat.conversations")}>
      <header class="chat-head"><h2>${t("chat.conversations")}</h2><${IconButton} label=${t("chat.start")} icon="plus" onClick=${() => setNew(true)} /></header>
      <${ConversationList} current=${id} onNew=${() => setNew(true)} />
    </section>
    <section class="chat-talk" aria-label=${t("chat.talk")}>
      ${id ? html`<${Conversation} key=${id} id=${id} />` : html`<${Empty} icon="chat" title=${t("chat.pick_title")}><p>${t("chat.pick")}</p><//>`}
    </section>
    ${isNew && html`<${NewConversation} onClose=${() => setNew(false)} />`}
  </div>`;
}

/* Who it is with, and whether there is something new elsewhere. */
function useTitle(id) {
  const { all } = useStore(conversations);
  const current = all.find(({ _id }) => _id === id);
  const isNews = all.some((each) => each._id !== id && isUnread(each));
  const parts = [current && titleOf(current), t("chat.title"), t("shell.product")].filter(Boolean);
  const title = `${isNews ? "• " : ""}${parts.join(" · ")}`;
  useEffect(() => { document.title = title; }, [title]);
}
