/* One conversation: its head, its messages, and where one writes. */

import { html, useEffect, useMemo, useRef, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { hrefOf, Link, navigate } from "../core/router.js";
import { account } from "../core/session.js";
import { useStore } from "../core/store.js";
import { Button, IconButton } from "../ui/button.js";
import { copyText } from "../ui/copy_field.js";
import { Icon } from "../ui/icon.js";
import { MenuButton } from "../ui/menu.js";
import { Empty, Failed, Loading } from "../ui/states.js";
import { say } from "../ui/toast.js";
import { leaving, removeSoon, setPinned } from "./actions.js";
import { attach } from "./attachments.js";
import { Avatar } from "./avatar.js";
import { Composer } from "./composer.js";
import { titleOf } from "./conversations.js";
import { DropPlace } from "./drop.js";
import { connection } from "./live.js";
import { Log } from "./log.js";
import { LeaveDialog, People } from "./people.js";
import { Pins } from "./pins.js";
import { post } from "./outbox.js";
import { Sending } from "./sending.js";
import { openThread } from "./thread.js";
import { Viewer } from "./viewer.js";

const NAMED = 3;

/** The conversation `id`; made anew for each. */
export function Conversation({ id }) {
  const [thread, setThread] = useState(null);
  useEffect(() => {
    const opened = openThread(id);
    setThread(opened);
    return () => opened.close();
  }, []);
  return thread && html`<${Open} thread=${thread} />`;
}

function Open({ thread }) {
  const { info, isLoading, isGone, error, slice } = useStore(thread.store);
  const [shown, show] = useState(null); // a dialog: people, pins, leave, or a message that is looked at
  if (isGone) return html`<${Gone} />`;
  if (!info) return html`<${Back} />${error ? html`<${Failed} error=${error} onRetry=${() => thread.reload()} />` : isLoading && html`<${Loading} />`}`;
  return html`<${Head} info=${info} onShow=${show} />
    <${Talk} thread=${thread} onOpen=${(message) => show({ message })} />
    ${shown?.message && html`<${Viewer} message=${shown.message} messages=${slice.messages} onClose=${() => show(null)} />`}
    ${shown === "people" && html`<${People} info=${info} onChanged=${() => thread.catchUp()} onClose=${() => show(null)} />`}
    ${shown === "leave" && html`<${LeaveDialog} info=${info} onClose=${() => show(null)} />`}
    ${shown === "pins" && html`<${Pins} thread=${thread} onClose=${() => show(null)} />`}`;
}

function Gone() {
  return html`<${Empty} icon="chat" title=${t("chat.gone_title")}><p role="alert">${t("chat.gone_text")}</p>
    <${Button} onClick=${() => navigate(hrefOf("chat"))}>${t("chat.to_all")}<//><//>`;
}

function Back() {
  return html`<${Link} href=${hrefOf("chat")} class="icon-button to-list" aria-label=${t("chat.to_all")}><${Icon} name="back" /><//>`;
}

function Head({ info, onShow }) {
  const state = useStore(connection);
  const title = titleOf(info);
  const isGroup = info.type === "group";
  const pins = info.pinned_messages.length;
  return html`<header class="talk-head">
    <${Back} />
    <${Avatar} name=${title} isGroup=${isGroup} />
    <div class="grow"><h1><bdi>${title}</bdi></h1>
      <p class="small quiet" role="status">${state === "lost" ? html`<span class="lost"><${Icon} name="warning" />${t("chat.lost")}</span>`
        : isGroup && t("chat.people_count", { count: info.participants.length })}</p></div>
    ${pins > 0 && html`<${Button} kind="quiet" icon="pin" class="button quiet pins" onClick=${() => onShow("pins")} aria-label=${t("chat.pins_count", { count: pins })}>${pins}<//>`}
    ${isGroup && html`<${IconButton} label=${t("chat.people")} icon="people" onClick=${() => onShow("people")} />`}
    <${MenuButton} label=${t("chat.more")} items=${[{ label: t("chat.leave"), icon: "out", isDanger: true, onSelect: () => onShow("leave") }]} />
  </header>`;
}

function Talk({ thread, onOpen }) {
  const { slice, info, isLoading, error, firstUnread, target, typing } = useStore(thread.store);
  const me = useStore(account);
  const gone = useStore(leaving);
  const [subject, setSubject] = useState(null);
  const [isAtEnd, setAtEnd] = useState(true);
  const desk = useDesk(thread, { setSubject, onOpen });
  useReading(thread, isAtEnd, slice);
  const sendText = (content, replyTo) => {
    post(thread.id, { content, replyTo });
    setSubject(null);
    thread.toEnd();
  };
  const sendFiles = (files) => {
    attach(thread.id, files, subject?.kind === "reply" ? subject.message._id : null);
    setSubject(null);
    thread.toEnd();
  };
  const editLast = () => {
    const last = slice.messages.findLast((each) => each.sender === me?.name && !each.is_deleted && !gone.has(each._id) && each.content);
    if (last) setSubject({ kind: "edit", message: last });
    return Boolean(last);
  };
  const place = (atEnd) => {
    thread.isReadingEnd = atEnd;
    setAtEnd(atEnd);
  };
  return html`<div class="talk">
    ${error && html`<p class="problem" role="alert">${textOf(error)}</p>`}
    <${Log} slice=${slice} me=${me?.name} isGroup=${info.type === "group"} leaving=${gone} firstUnread=${firstUnread} target=${target} isLoading=${isLoading}
      desk=${desk} onEdge=${(edge) => thread[edge]()} onPlace=${place}>
      ${!slice.messages.length && !isLoading && html`<p class="silence quiet">${t("chat.silence")}</p>`}
      <${Sending} conversationId=${thread.id} shown=${slice.messages} />
    <//>
    ${!isAtEnd && html`<${IconButton} kind="to-end" label=${t("chat.to_end")} icon="down" onClick=${() => thread.toEnd()} />`}
    <${DropPlace} onFiles=${sendFiles} />
  </div>
  <p class="typing small quiet" aria-live="polite">${typing.length > 0 && html`<${Typing} names=${typing.slice(0, NAMED)} />`}</p>
  <${Composer} conversationId=${thread.id} subject=${subject} onText=${sendText} onFiles=${sendFiles} onEdited=${(message) => thread.note(message)}
    onEditLast=${editLast} onDone=${() => setSubject(null)} onRefused=${() => thread.catchUp()} />`;
}

function Typing({ names }) {
  const [before, after] = t(names.length === 1 ? "chat.typing_one" : "chat.typing_many", { names: "\n" }).split("\n");
  return html`${before}${names.map((name, place) => html`${place > 0 && ", "}<bdi>${name}</bdi>`)}${after}`;
}

/* What may be done to messages: the same object for as long as the conversation is shown. */
function useDesk(thread, { setSubject, onOpen }) {
  const open = useRef();
  open.current = onOpen;
  return useMemo(() => ({
    store: thread.store,
    find: (id) => thread.find(id),
    onJump: (id) => thread.jump(id),
    onOpen: (message) => open.current(message),
    onReply: (message) => setSubject({ kind: "reply", message }),
    onEdit: (message) => setSubject({ kind: "edit", message }),
    onPin: async (message) => thread.note(await setPinned(message, !message.pinned)),
    onDelete: (message) => removeSoon(message, (deleted) => thread.note(deleted)),
    onCopy: async ({ content }) => ((await copyText(content)) ? say(t("common.copied")) : say(t("chat.not_copied"), { isProblem: true })),
  }), [thread]);
}

/* What is at the end has been read when somebody looks at it. */
function useReading(thread, isAtEnd, slice) {
  useEffect(() => {
    const look = () => isAtEnd && slice.isAtEnd && !document.hidden && thread.markRead();
    look();
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [thread, isAtEnd, slice]);
}
