/* Events that have not arrived at their webhook, to be tried anew. */

import { html, useRef } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { formatInstant, formatNumber } from "../core/format.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { Button, IconButton } from "../ui/button.js";
import { useLoaded } from "../ui/load.js";
import { Pager, useCursor } from "../ui/paging.js";
import { Failed, Loading } from "../ui/states.js";
import { Table, useFocusNear } from "../ui/table.js";
import { say } from "../ui/toast.js";
import { eventName } from "./events.js";

const LIMIT = 50;
const STATUS = /^\d{3}$/;

/** Those of all webhooks; `webhooks` tells their addresses. Asked for again when one of them has gone. */
export function Deliveries({ webhooks }) {
  const heading = useRef();
  const asked = useRef(new Set());
  const paging = useCursor();
  const { value, error, reload, setValue } = useLoaded(
    (signal) => api("GET", "/api/webhooks/failed", { query: { limit: LIMIT, cursor: paging.cursor }, signal }), [paging.cursor, webhooks.length],
  );
  const rows = value?.failed ?? [];
  const { tableRef, keepFocus } = useFocusNear(rows, heading);
  const redeliver = async (delivery) => {
    if (asked.current.has(delivery.id)) return;
    asked.current.add(delivery.id);
    try {
      await api("POST", `/api/webhooks/failed/${delivery.id}/redeliver`);
      keepFocus(delivery);
      setValue((old) => ({ ...old, failed: old.failed.filter((each) => each.id !== delivery.id) }));
      say(t("admin.deliveries.again"));
    } catch (problem) {
      say(textOf(problem, { 409: t("admin.webhooks.has_ended") }), { isProblem: true });
    } finally {
      asked.current.delete(delivery.id);
    }
  };
  return html`<section class="deliveries">
    <header class="page-head"><h2 ref=${heading} tabindex="-1">${t("admin.deliveries.title")}</h2><${IconButton} icon="refresh" label=${t("admin.refresh")} onClick=${reload} /></header>
    ${error ? html`<${Failed} error=${error} onRetry=${reload} />` : !value ? html`<${Loading} />` : rows.length === 0
      ? html`<p class="quiet">${t("admin.deliveries.none")}</p>`
      : html`<${Table} label=${t("admin.deliveries.title")} columns=${columnsOf(webhooks, redeliver)} rows=${rows} keyOf=${(each) => each.id} tableRef=${tableRef} />`}
    <${Pager} label=${t("admin.pages")} here=${t("admin.page", { number: paging.number })} onBack=${paging.back}
      onForward=${value?.next_cursor && (() => paging.forward(value.next_cursor))} />
  </section>`;
}

function columnsOf(webhooks, redeliver) {
  const urlOf = (id) => webhooks.find((each) => each.id === id)?.url ?? id;
  return [
    { key: "event", show: ({ event, webhook_id: id }) => html`${eventName(event)}<small class="quiet under"><bdi dir="ltr">${urlOf(id)}</bdi></small>` },
    { key: "error", show: ({ error }) => (STATUS.test(error) ? t("admin.deliveries.status", { status: error }) : wordOf(error)) },
    { key: "tries", isNumber: true, show: ({ tries }) => formatNumber(tries) },
    { key: "failed", show: ({ failed_at: at }) => html`<time datetime=${at}>${formatInstant(at)}</time>` },
    { key: "tools", kind: "tools below", isHeard: true, show: (delivery) => html`<${Button} icon="refresh" onClick=${() => redeliver(delivery)}
      aria-label=${t("admin.deliveries.redeliver_label", { event: eventName(delivery.event), time: formatInstant(delivery.failed_at) })}>${t("admin.deliveries.redeliver")}<//>` },
  ].map((column) => ({ ...column, title: t(`admin.deliveries.${column.key}`) }));
}

function wordOf(error) {
  const key = `admin.deliveries.word.${error}`;
  const text = t(key);
  return text === key ? error : text;
}
