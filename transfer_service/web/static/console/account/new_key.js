/* A new key: what it is called, what it may do, until when, and how much it may hold. */

import { html } from "../../vendor/htm-preact.js";
import { api, ApiError } from "../core/api.js";
import { dayAhead, endOfDay } from "../core/days.js";
import { unitNames } from "../core/format.js";
import { t } from "../core/messages.js";
import { FormDialog } from "../ui/dialog.js";
import { Checkbox, Field, Select } from "../ui/field.js";

const SCOPES = ["upload", "files", "download", "chat", "games"];
const DEFAULT_UNIT = 3;

/** `onMade` gets the answer, with the text of the key. */
export function NewKey({ onMade, onClose }) {
  const send = async (fields) => {
    const scopes = fields.getAll("scope");
    if (scopes.length === 0) throw new ApiError("no_scope");
    const draft = { name: fields.get("name").trim(), scopes, expires_at: endOf(fields.get("ends")), quota_bytes: bytesOf(fields.get("amount"), fields.get("unit")) };
    onMade(await api("POST", "/auth/keys", { json: draft }));
  };
  return html`<${FormDialog} title=${t("account.keys.new")} submit=${t("account.keys.make")} onSubmit=${send} onClose=${onClose} problems=${{ no_scope: t("account.keys.no_scope") }}>
    <${Field} label=${t("account.keys.name")} name="name" required pattern=".*\\S.*" maxlength="255" autocomplete="off" hint=${t("account.keys.name_hint")} />
    <fieldset class="choices"><legend>${t("account.keys.may")}</legend>
      ${SCOPES.map((scope) => html`<${Checkbox} key=${scope} name="scope" value=${scope} defaultChecked=${scope === SCOPES[0]}
        label=${t(`account.scopes.${scope}.name`)} hint=${t(`account.scopes.${scope}.text`)} />`)}
    </fieldset>
    <${Field} label=${t("account.keys.ends_on")} name="ends" type="date" min=${dayAhead(0)} max="9999-12-31" hint=${t("account.keys.ends_hint")} />
    <div class="beside">
      <${Field} label=${t("account.keys.quota")} name="amount" type="number" inputmode="decimal" min="0.001" step="any" hint=${t("account.keys.quota_hint")} />
      <${Select} label=${t("account.keys.unit")} name="unit" initial=${DEFAULT_UNIT} options=${unitNames().map((name, place) => [place, name])} />
    </div>
  <//>`;
}

/* The end of that day where the reader is, in UTC to the second; null without a day. */
function endOf(day) {
  return day ? `${endOfDay(day).toISOString().slice(0, 19)}Z` : null;
}

function bytesOf(amount, unit) {
  return amount ? Math.max(1, Math.round(Number(amount) * 1000 ** Number(unit))) : null;
}
