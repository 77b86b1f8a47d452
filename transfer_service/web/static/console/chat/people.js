/* Who is in a group, and the way out of a conversation. */

import { html, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { hrefOf, navigate } from "../core/router.js";
import { account } from "../core/session.js";
import { Button, IconButton } from "../ui/button.js";
import { Dialog, FormDialog } from "../ui/dialog.js";
import { say } from "../ui/toast.js";
import { Avatar } from "./avatar.js";
import { forget, refreshOne, titleOf } from "./conversations.js";
import { PeoplePicker } from "./picker.js";

/** The people of a group; its owner adds and removes them. `onChanged` follows each change. */
export function People({ info, onChanged, onClose }) {
  const me = account.get()?.name;
  const isOwner = info.owner === me;
  return html`<${Dialog} title=${t("chat.people_of", { name: info.group_name })} onClose=${onClose}>
    ${isOwner && html`<${Adding} info=${info} onChanged=${onChanged} />`}
    <ul class="list people-list" aria-label=${t("chat.people")}>
      ${info.participants.map((name) => html`<li key=${name}><${Avatar} name=${name} /><span class="grow"><bdi>${name}</bdi></span>
        ${name === info.owner && html`<span class="tag">${t("chat.owner")}</span>`}${name === me && html`<span class="tag">${t("chat.you")}</span>`}
        ${isOwner && name !== me && html`<${IconButton} label=${t("chat.remove", { name })} icon="close" onClick=${() => remove(info, name, onChanged)} />`}</li>`)}
    </ul>
  <//>`;
}

function Adding({ info, onChanged }) {
  const [people, setPeople] = useState([]);
  const [isBusy, setBusy] = useState(false);
  const add = async (event) => {
    event.preventDefault();
    if (!people.length || isBusy) return;
    setBusy(true);
    try {
      for (const email of people) {
        await api("POST", `/conversations/${info._id}/participants`, { json: { email } });
        setPeople((all) => all.filter((each) => each !== email));
      }
    } catch (error) {
      say(textOf(error, { 404: t("chat.unknown_name") }), { isProblem: true });
    }
    setBusy(false);
    onChanged();
  };
  return html`<form class="form adding" onSubmit=${add}>
    <${PeoplePicker} label=${t("chat.add_people")} chosen=${people} onChosen=${setPeople} without=${info.participants} />
    ${people.length > 0 && html`<${Button} kind="primary" type="submit" aria-disabled=${isBusy}>${t("chat.add")}<//>`}
  </form>`;
}

async function remove(info, name, onChanged) {
  try {
    await api("DELETE", `/conversations/${info._id}/participants/${encodeURIComponent(name)}`);
    await refreshOne(info._id);
    say(t("chat.removed", { name }));
  } catch (error) {
    say(textOf(error), { isProblem: true });
  }
  onChanged();
}

/** Asks before somebody leaves. */
export function LeaveDialog({ info, onClose }) {
  const me = account.get()?.name;
  const leave = async () => {
    await api("DELETE", `/conversations/${info._id}/participants/${encodeURIComponent(me)}`);
    forget(info._id);
    navigate(hrefOf("chat"));
    say(t("chat.left_it", { name: titleOf(info) }));
  };
  return html`<${FormDialog} title=${t("chat.leave_title", { name: titleOf(info) })} submit=${t("chat.leave")} kind="danger" onSubmit=${leave} onClose=${onClose}>
    <p>${t(info.type === "dm" ? "chat.leave_two" : info.owner === me ? "chat.leave_own" : "chat.leave_group")}</p>
  <//>`;
}
