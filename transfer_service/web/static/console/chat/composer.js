/* Where messages are written: the field, files that go along, what is answered or changed. */

import { html, useLayoutEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { Icon } from "../ui/icon.js";
import { IconButton } from "../ui/button.js";
import { say } from "../ui/toast.js";
import { edit } from "./actions.js";
import { draftOf, keepDraft } from "./drafts.js";
import { summaryOf } from "./summary.js";
import { makeTyping } from "./typing.js";

/* Keyboards on a screen have no Shift+Enter: there Enter breaks the line, and the button sends. */
const isTouched = window.matchMedia("(pointer: coarse)");
const MOST_CHARACTERS = 65_536;
const COMPOSING = 229;

/**
 * `subject` is `{kind: "reply" or "edit", message}` or null; `onText(text, replyTo)` and `onFiles(files)` send,
 * `onEdited(message)` follows a change, `onEditLast` asks to change the last own message, `onDone` lets go of the subject.
 */
export function Composer({ conversationId, subject, onText, onFiles, onEdited, onEditLast, onDone, onRefused }) {
  const [text, setText] = useState(() => draftOf(conversationId));
  const [isBusy, setBusy] = useState(false);
  const field = useRef();
  const typing = useRef();
  useLayoutEffect(() => { // before the next key is pressed
    typing.current = makeTyping(conversationId, { onRefused });
    if (window.matchMedia("(hover: hover)").matches) field.current.focus({ preventScroll: true });
    return () => typing.current.stop();
  }, []);
  useLayoutEffect(() => {
    if (!subject) return;
    if (subject.kind === "edit") setText(subject.message.content ?? "");
    field.current.focus();
  }, [subject]);
  useLayoutEffect(() => grow(field.current), [text]);
  const isEdit = subject?.kind === "edit";
  const write = (event) => {
    setText(event.target.value);
    if (isEdit) return;
    keepDraft(conversationId, event.target.value);
    typing.current.write();
  };
  const leave = () => {
    if (isEdit) setText(draftOf(conversationId));
    onDone();
  };
  const change = async () => {
    if (isBusy) return;
    setBusy(true);
    try {
      if (text !== (subject.message.content ?? "")) onEdited(await edit(subject.message, text));
      leave();
    } catch (error) {
      say(textOf(error), { isProblem: true });
    } finally {
      setBusy(false);
    }
  };
  const send = (event) => {
    event?.preventDefault();
    field.current.focus();
    if (!text.trim()) return undefined;
    if (text.length > MOST_CHARACTERS) return say(t("chat.too_long", { count: MOST_CHARACTERS }), { isProblem: true });
    if (isEdit) return change();
    typing.current.stop();
    keepDraft(conversationId, "");
    setText("");
    return onText(text, subject?.message._id ?? null);
  };
  const press = (event) => {
    if (event.isComposing || event.keyCode === COMPOSING) return;
    if (event.key === "Enter" && !event.shiftKey && !isTouched.matches) send(event);
    else if (event.key === "Escape" && subject) leave();
    else if (event.key === "ArrowUp" && !text && !subject && onEditLast()) event.preventDefault();
    else return;
    if (event.key === "Escape") event.stopPropagation();
  };
  const paste = (event) => {
    const files = [...event.clipboardData.files];
    if (!files.length || event.clipboardData.getData("text/plain")) return;
    event.preventDefault();
    onFiles(files);
  };
  const choose = (event) => {
    onFiles([...event.target.files]);
    event.target.value = "";
    field.current.focus();
  };
  return html`<form class="composer" onSubmit=${send}>
    ${subject && html`<${Subject} subject=${subject} onClose=${leave} />`}
    <div class="composer-row">
      ${!isEdit && html`<label class="icon-button attach" title=${t("chat.attach")}><input type="file" multiple aria-label=${t("chat.attach")} onChange=${choose} /><${Icon} name="attach" /></label>`}
      <textarea ref=${field} rows="1" aria-label=${t("chat.message")} placeholder=${t("chat.message")} dir="auto" value=${text} enterkeyhint=${isTouched.matches ? "enter" : "send"}
        onInput=${write} onKeyDown=${press} onPaste=${paste} onBlur=${() => typing.current.stop()}></textarea>
      <${IconButton} type="submit" kind=${isBusy || !text.trim() ? "send idle" : "send"} label=${t(isEdit ? "common.save" : "chat.send")} icon=${isEdit ? "check" : "send"} />
    </div>
  </form>`;
}

function Subject({ subject, onClose }) {
  const { kind, message } = subject;
  return html`<div class="subject">
    <${Icon} name=${kind === "edit" ? "rename" : "reply"} />
    <p class="grow"><strong>${kind === "edit" ? t("chat.editing") : html`${t("chat.replying")} <bdi>${message.sender}</bdi>`}</strong><span dir="auto">${summaryOf(message)}</span></p>
    <${IconButton} label=${t(kind === "edit" ? "chat.stop_editing" : "chat.stop_replying")} icon="close" onClick=${onClose} />
  </div>`;
}

/* As high as its text, up to what the style sheet allows. */
function grow(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}
