/* The dialog that begins a conversation, with one or with several. */

import { html, useState } from "../../vendor/htm-preact.js";
import { api, ApiError } from "../core/api.js";
import { t } from "../core/messages.js";
import { hrefOf, navigate } from "../core/router.js";
import { FormDialog } from "../ui/dialog.js";
import { Checkbox, Field } from "../ui/field.js";
import { refreshOne } from "./conversations.js";
import { PeoplePicker } from "./picker.js";

export function NewConversation({ onClose }) {
  const [people, setPeople] = useState([]);
  const [isWanted, setWanted] = useState(false);
  const isGroup = isWanted || people.length > 1;
  const begin = async (fields) => {
    if (!people.length) throw new ApiError(-1, "");
    const answer = isGroup
      ? await api("POST", "/conversations/create/group", { json: { group_name: fields.get("group"), participants: people } })
      : await api("POST", "/conversations/create", { json: { email: people[0] } });
    await refreshOne(answer.conversation_id);
    navigate(hrefOf("chat", answer.conversation_id));
  };
  const problems = { "-1": t("chat.choose_somebody"), 404: t("chat.unknown_name") };
  return html`<${FormDialog} title=${t("chat.start")} submit=${t("chat.begin")} onSubmit=${begin} onClose=${onClose} problems=${problems}>
    <${PeoplePicker} label=${t("chat.with")} chosen=${people} onChosen=${setPeople} />
    <${Checkbox} label=${t("chat.as_group")} checked=${isGroup} disabled=${people.length > 1} onChange=${(event) => setWanted(event.target.checked)} />
    ${isGroup && html`<${Field} label=${t("chat.group_name")} name="group" required maxlength="255" autocomplete="off" dir="auto" />`}
  <//>`;
}
