/* Webhooks: which addresses are told of what, and what has not arrived. */

import { html, useRef, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { formatInstant } from "../core/format.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { Button } from "../ui/button.js";
import { useLoaded } from "../ui/load.js";
import { MenuButton } from "../ui/menu.js";
import { Empty, Failed, Loading } from "../ui/states.js";
import { Table, useFocusNear } from "../ui/table.js";
import { say } from "../ui/toast.js";
import { Deliveries } from "./deliveries.js";
import { eventNames } from "./events.js";
import { MadeWebhook, NewWebhook, RemoveWebhook } from "./webhook_dialogs.js";

const DIALOGS = { new: NewWebhook, made: MadeWebhook, remove: RemoveWebhook };

export function Webhooks() {
  const [dialog, setDialog] = useState(null);
  const heading = useRef();
  const { value, error, reload, setValue } = useLoaded((signal) => api("GET", "/api/webhooks", { signal }), []);
  const rows = value?.webhooks ?? [];
  const { tableRef, keepFocus } = useFocusNear(rows, heading);
  const change = {
    added: (webhook) => setValue((old) => ({ webhooks: [webhook, ...old.webhooks] })),
    removed: (webhook) => {
      keepFocus(webhook);
      setValue((old) => ({ webhooks: old.webhooks.filter((each) => each.id !== webhook.id) }));
    },
  };
  const Shown = dialog && DIALOGS[dialog.kind];
  return html`<header class="page-head">
      <h1 ref=${heading} tabindex="-1">${t("admin.webhooks.title")}</h1>
      <${Button} kind="primary" icon="plus" onClick=${() => setDialog({ kind: "new" })}>${t("admin.webhooks.add")}<//>
    </header>
    ${error ? html`<${Failed} error=${error} onRetry=${reload} />` : !value ? html`<${Loading} />` : rows.length === 0
      ? html`<${Empty} icon="hook" title=${t("admin.webhooks.none")}><p>${t("admin.webhooks.none_text")}</p><//>`
      : html`<${Table} label=${t("admin.webhooks.title")} columns=${columnsOf(setDialog)} rows=${rows} keyOf=${(each) => each.id} tableRef=${tableRef} />`}
    ${value && html`<${Deliveries} webhooks=${rows} />`}
    ${Shown && html`<${Shown} key=${dialog.kind} ...${dialog} change=${change} onClose=${() => setDialog(null)} onNext=${setDialog} />`}`;
}

function columnsOf(setDialog) {
  return [
    { key: "url", show: ({ url, state }) => html`<span class="with-tags"><bdi dir="ltr">${url}</bdi>${state === "ended" && html`<span class="tag bad">${t("admin.webhooks.ended")}</span>`}</span>` },
    { key: "events", show: ({ events }) => html`<${Events} events=${events} />` },
    { key: "account", show: ({ account }) => (account === null ? t("admin.webhooks.everybody") : html`<bdi>${account}</bdi>`) },
    { key: "created", show: ({ created_at: at }) => html`<time datetime=${at}>${formatInstant(at)}</time>` },
    { key: "tools", kind: "tools", isHeard: true, show: (webhook) => html`<${Tools} webhook=${webhook} onChoose=${setDialog} />` },
  ].map((column) => ({ ...column, title: t(`admin.webhooks.${column.key}`) }));
}

function Events({ events }) {
  const names = eventNames();
  if (Object.keys(names).every((each) => events.includes(each))) return t("admin.webhooks.all");
  return events.map((each) => names[each] ?? each).join(", ");
}

function Tools({ webhook, onChoose }) {
  const test = () => api("POST", `/api/webhooks/${webhook.id}/test`).then(
    () => say(t("admin.webhooks.tested")),
    (error) => say(textOf(error, { 409: t("admin.webhooks.has_ended") }), { isProblem: true }),
  );
  const items = [
    webhook.state === "active" && { label: t("admin.webhooks.test"), icon: "send", onSelect: test },
    { label: t("admin.webhooks.remove"), icon: "trash", isDanger: true, onSelect: () => onChoose({ kind: "remove", webhook }) },
  ];
  return html`<${MenuButton} label=${t("admin.webhooks.actions_for", { name: webhook.url })} items=${items} />`;
}
