/* Transfers: what is under way, as it moves. */

import { html, useRef, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { formatPercent, formatSize, formatSpeed } from "../core/format.js";
import { t } from "../core/messages.js";
import { IconButton } from "../ui/button.js";
import { FormDialog } from "../ui/dialog.js";
import { Pager, useCursor } from "../ui/paging.js";
import { usePolled } from "../ui/poll.js";
import { ProgressBar } from "../ui/progress.js";
import { Empty, Failed, Loading } from "../ui/states.js";
import { Table, useFocusNear } from "../ui/table.js";
import { say } from "../ui/toast.js";
import { createRates } from "./rates.js";

const LIMIT = 100;
const SECONDS = 2;

export function Transfers() {
  const [asked, ask] = useState(null);
  const heading = useRef();
  const rates = useRef();
  rates.current ??= createRates();
  const paging = useCursor();
  const { value, error, reload, setValue } = usePolled(async (signal) => {
    const page = await api("GET", "/api/admin/transfers", { query: { limit: LIMIT, cursor: paging.cursor }, signal });
    const measured = rates.current.measure(page.transfers);
    return { ...page, transfers: page.transfers.map((each) => ({ ...each, rate: measured.get(each.id) })) };
  }, SECONDS, [paging.cursor]);
  const rows = value?.transfers ?? [];
  const { tableRef, keepFocus } = useFocusNear(rows, heading);
  const remove = (transfer) => {
    keepFocus(transfer);
    setValue((old) => ({ ...old, transfers: old.transfers.filter((each) => each.id !== transfer.id) }));
  };
  return html`<header class="page-head"><h1 ref=${heading} tabindex="-1">${t("admin.transfers.title")}</h1>${value && error && html`<p class="tag warn" role="status">${t("admin.transfers.stale")}</p>`}</header>
    ${!value ? (error ? html`<${Failed} error=${error} onRetry=${reload} />` : html`<${Loading} />`) : rows.length === 0
      ? html`<${Empty} icon="activity" title=${t("admin.transfers.none")}><p>${t("admin.transfers.none_text")}</p><//>`
      : html`<${Table} label=${t("admin.transfers.title")} columns=${columnsOf(ask)} rows=${rows} keyOf=${(each) => each.id} tableRef=${tableRef} />`}
    <${Pager} label=${t("admin.pages")} here=${t("admin.page", { number: paging.number })} onBack=${paging.back}
      onForward=${value?.next_cursor && (() => paging.forward(value.next_cursor))} />
    ${asked && html`<${Cancel} transfer=${asked} onGone=${remove} onClose=${() => ask(null)} />`}`;
}

function columnsOf(ask) {
  return [
    { key: "name", show: (each) => html`<bdi>${each.filename}</bdi><small class="quiet under"><bdi>${each.account}</bdi> · ${t(`admin.transfers.kind.${each.kind}`)}${each.link_id && ` · ${t("admin.transfers.by_link")}`}</small>` },
    { key: "progress", isHeard: true, kind: "third-cell", show: (each) => html`<${ProgressBar} label=${each.filename} value=${isCounted(each) ? each.offset : null} max=${each.length} />` },
    { key: "arrived", isNumber: true, show: (each) => html`<${Arrived} transfer=${each} />` },
    { key: "rate", isNumber: true, show: ({ rate }) => (rate === undefined ? "" : rate > 0 ? formatSpeed(rate) : t("admin.transfers.resting")) },
    { key: "tools", kind: "tools", isHeard: true, show: (each) => html`<${IconButton} icon="close" label=${t("admin.transfers.cancel", { name: each.filename })} onClick=${() => ask(each)} />` },
  ].map((column) => ({ ...column, title: t(`admin.transfers.${column.key}`) }));
}

/* What comes in one request counts at its end only. */
function isCounted(transfer) {
  return transfer.length !== null && !(transfer.kind === "whole" && transfer.offset === 0);
}

function Arrived({ transfer }) {
  const { offset, length } = transfer;
  if (length === null) return formatSize(offset);
  if (!isCounted(transfer)) return t("admin.transfers.of_unknown", { size: formatSize(length) });
  return html`${t("admin.transfers.of", { offset: formatSize(offset), length: formatSize(length) })} <small class="quiet">${formatPercent(offset / (length || 1))}</small>`;
}

function Cancel({ transfer, onGone, onClose }) {
  const name = transfer.filename;
  const cancel = async () => {
    await api("DELETE", `/api/admin/transfers/${encodeURIComponent(transfer.id)}`).catch((error) => { if (error.status !== 404) throw error; });
    onGone(transfer);
    say(t("admin.transfers.cancelled", { name }));
  };
  return html`<${FormDialog} title=${t("admin.transfers.question", { name })} submit=${t("admin.transfers.end")} kind="danger" onSubmit=${cancel} onClose=${onClose}>
    <p>${t(transfer.kind === "download" ? "admin.transfers.question_download" : "admin.transfers.question_upload", { account: transfer.account })}</p>
  <//>`;
}
