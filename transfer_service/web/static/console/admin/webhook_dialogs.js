/* What is asked about a webhook: a new one, its secret, and its end. */

import { html, useRef, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { t } from "../core/messages.js";
import { Button } from "../ui/button.js";
import { CopyField } from "../ui/copy_field.js";
import { Dialog, FormDialog } from "../ui/dialog.js";
import { Checkbox, Field, Select } from "../ui/field.js";
import { say } from "../ui/toast.js";
import { eventNames } from "./events.js";

export function NewWebhook({ change, onClose, onNext }) {
  const [isAll, setAll] = useState(true);
  const made = useRef(null);
  const add = async (fields) => {
    const account = fields.get("account").trim();
    const json = { url: fields.get("url").trim(), ...(isAll ? {} : { events: fields.getAll("events") }), ...(account ? { account } : {}) };
    const { secret, ...webhook } = await api("POST", "/api/webhooks", { json });
    made.current = { webhook, secret };
    change.added(webhook);
  };
  const close = () => (made.current ? onNext({ kind: "made", ...made.current }) : onClose());
  return html`<${FormDialog} title=${t("admin.webhooks.add")} submit=${t("admin.webhooks.add_now")} onSubmit=${add} onClose=${close}>
    <${Field} label=${t("admin.webhooks.url")} name="url" type="url" required maxlength="2048" placeholder="https://" hint=${t("admin.webhooks.url_hint")} dir="ltr" autofocus />
    <${Select} label=${t("admin.webhooks.events")} value=${isAll ? "all" : "some"} options=${[["all", t("admin.webhooks.all")], ["some", t("admin.webhooks.some")]]}
      onChange=${(event) => setAll(event.target.value === "all")} />
    ${!isAll && html`<${Events} />`}
    <${Field} label=${t("admin.webhooks.account_field")} name="account" maxlength="255" hint=${t("admin.webhooks.account_hint")} autocomplete="off" autocapitalize="none" spellcheck="false" />
  <//>`;
}

/* At least one. */
function Events() {
  const group = useRef();
  const judge = () => {
    const boxes = [...(group.current?.querySelectorAll("input") ?? [])];
    boxes[0]?.setCustomValidity(boxes.some((box) => box.checked) ? "" : t("admin.webhooks.choose_event"));
  };
  const keep = (element) => {
    group.current = element;
    judge();
  };
  return html`<fieldset ref=${keep} class="choices" onChange=${judge}><legend>${t("admin.webhooks.some")}</legend>
    ${Object.entries(eventNames()).map(([name, text]) => html`<${Checkbox} key=${name} label=${text} name="events" value=${name} />`)}
  </fieldset>`;
}

export function MadeWebhook({ webhook, secret, onClose }) {
  return html`<${Dialog} title=${t("admin.webhooks.made")} isKept onClose=${onClose}>
    <p><bdi dir="ltr">${webhook.url}</bdi></p>
    <${CopyField} label=${t("admin.webhooks.secret")} value=${secret} hint=${t("admin.webhooks.once")} />
    <footer class="dialog-foot"><${Button} kind="primary" onClick=${onClose}>${t("admin.done")}<//></footer>
  <//>`;
}

export function RemoveWebhook({ webhook, change, onClose }) {
  const remove = async () => {
    await api("DELETE", `/api/webhooks/${webhook.id}`).catch((error) => { if (error.status !== 404) throw error; });
    change.removed(webhook);
    say(t("admin.webhooks.removed"));
  };
  return html`<${FormDialog} title=${t("admin.webhooks.question")} submit=${t("admin.webhooks.remove")} kind="danger" onSubmit=${remove} onClose=${onClose}>
    <p><bdi dir="ltr">${webhook.url}</bdi></p><p>${t("admin.webhooks.question_text")}</p>
  <//>`;
}
