/* Activities: who changed what, and when. */

import { html, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { formatInstant } from "../core/format.js";
import { t } from "../core/messages.js";
import { hrefOf, Link, navigate, useRoute } from "../core/router.js";
import { account, refresh } from "../core/session.js";
import { useStore } from "../core/store.js";
import { textOf } from "../core/problems.js";
import { Button, IconButton } from "../ui/button.js";
import { Icon } from "../ui/icon.js";
import { useLoaded } from "../ui/load.js";
import { Pager } from "../ui/paging.js";
import { Empty, Failed, Loading } from "../ui/states.js";
import { Table } from "../ui/table.js";
import { say } from "../ui/toast.js";
import { Details, Subject, titleOf } from "./activity.js";
import { ExportButton } from "./activity_export.js";
import { Filters, filtersOf, FiltersToggle } from "./activity_filters.js";

const LIMIT = 50;
export const READER = "activities.read";

export function Activities() {
  const me = useStore(account);
  return me.permissions.includes(READER) ? html`<${Log} />` : html`<${Missing} me=${me} />`;
}

/* The flag of administrators does not include this permission (docs/audit.md). */
function Missing({ me }) {
  const give = async () => {
    try {
      await api("PATCH", `/api/admin/accounts/${encodeURIComponent(me.name)}`, { json: { permissions: [...me.permissions, READER] } });
      await refresh();
    } catch (error) {
      say(textOf(error), { isProblem: true });
    }
  };
  return html`<header class="page-head"><h1>${t("admin.activities.title")}</h1></header>
    <${Empty} icon="lock" title=${t("admin.activities.missing")}><p>${t("admin.activities.missing_text")}</p>
      <${Button} kind="primary" onClick=${give}>${t("admin.activities.give")}<//><//>`;
}

function Log() {
  const [isOpen, setOpen] = useState(false);
  const { query } = useRoute();
  const filters = filtersOf(query);
  const page = Math.max(1, Math.trunc(Number(query.get("page"))) || 1);
  const { value, error, isLoading, reload } = useLoaded(
    (signal) => api("GET", "/api/activities", { query: { ...filters, page, limit: LIMIT }, signal }),
    [JSON.stringify(filters), page],
  );
  const show = (changes, to = 1) => navigate(addressOf({ ...filters, ...changes }, to), { replace: to === page });
  const { total, totalPages } = value?.pagination ?? {};
  const rows = value?.data ?? [];
  const here = rows.length ? t("admin.activities.here", { from: (page - 1) * LIMIT + 1, to: (page - 1) * LIMIT + rows.length, total }) : "";
  return html`<header class="page-head">
      <h1>${t("admin.activities.title")}</h1>
      <${IconButton} icon="refresh" label=${t("admin.refresh")} onClick=${reload} />
      <${ExportButton} filters=${filters} />
      <${FiltersToggle} filters=${filters} isOpen=${isOpen} onToggle=${() => setOpen(!isOpen)} />
    </header>
    <${Filters} filters=${filters} isOpen=${isOpen} onChange=${show} />
    <p class="only-heard" role="status">${value && !isLoading ? t("admin.activities.found", { count: total }) : ""}</p>
    ${error ? html`<${Failed} error=${error} onRetry=${reload} />` : !value ? html`<${Loading} />` : rows.length === 0
      ? html`<${Empty} icon="search" title=${t("admin.activities.none")}><p>${t("admin.activities.none_text")}</p><//>`
      : html`<${Table} label=${t("admin.activities.title")} columns=${columns()} rows=${rows} keyOf=${(row) => row.id} busy=${isLoading} />`}
    <${Pager} label=${t("admin.pages")} here=${here} onBack=${page > 1 && (() => show({}, page - 1))} onForward=${page < totalPages && (() => show({}, page + 1))} />`;
}

/** The address of the log with such filters. */
export function addressOf(filters, page = 1) {
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  if (page > 1) query.set("page", page);
  return `${hrefOf("admin", "activities")}${query.size ? `?${query}` : ""}`;
}

const columns = () => [
  { key: "what", show: (row) => html`<${What} row=${row} />` },
  { key: "who", kind: "who-cell", show: (row) => (row.username ? html`<${Link} class="plain-link" href=${addressOf({ username: row.username })}><bdi>${row.username}</bdi><//>` : html`<span class="quiet">${t("admin.activities.nobody")}</span>`) },
  { key: "address", kind: "from-where", show: (row) => row.ipAddress ?? "" },
  { key: "when", show: (row) => html`<time datetime=${row.createdAt}>${formatInstant(row.createdAt)}</time>` },
].map((column) => ({ ...column, title: t(`admin.activities.${column.key}`) }));

function What({ row }) {
  const [isOpen, setOpen] = useState(false);
  const toggle = (event) => setOpen(event.target.open);
  return html`<details class="entry" onToggle=${toggle}>
    <summary><${Icon} name="down" /><span><span class="what">${titleOf(row)}</span><${Subject} row=${row} /></span></summary>
    ${isOpen && html`<${Details} row=${row} />`}
  </details>`;
}
