/* Usage: how much is stored, how much room is left, and whose it is. */

import { html } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { formatNumber, formatPercent, formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { hrefOf, Link } from "../core/router.js";
import { IconButton } from "../ui/button.js";
import { useLoaded } from "../ui/load.js";
import { Failed, Loading } from "../ui/states.js";
import { Table } from "../ui/table.js";
import { Bar, WholeBar } from "../ui/bars.js";

const LARGEST = 10;

/* The list of usage is by name; the largest come by the list of accounts. */
async function ask(signal) {
  const [usage, largest] = await Promise.all([
    api("GET", "/api/admin/usage", { query: { limit: 1 }, signal }),
    api("GET", "/api/admin/accounts", { query: { sort: "used_bytes", limit: LARGEST }, signal }),
  ]);
  return { ...usage, largest: largest.accounts, hasMore: largest.next_cursor !== null };
}

export function Usage() {
  const { value, error, reload } = useLoaded(ask, []);
  return html`<header class="page-head">
      <h1>${t("admin.usage.title")}</h1>
      <${IconButton} icon="refresh" label=${t("admin.refresh")} onClick=${reload} />
    </header>
    ${error ? html`<${Failed} error=${error} onRetry=${reload} />` : !value ? html`<${Loading} />` : html`<${Whole} usage=${value} /><${Largest} usage=${value} />`}`;
}

function Whole({ usage }) {
  const { used_bytes: used, files, free_bytes: free } = usage;
  const figures = [["used", formatSize(used)], ["free", free === null ? t("admin.usage.unknown") : formatSize(free)], ["files", formatNumber(files)]];
  return html`<section class="usage-whole" aria-label=${t("admin.usage.whole")}>
    <dl class="figures">${figures.map(([name, text]) => html`<div key=${name} class=${name}><dt>${t(`admin.usage.${name}`)}</dt><dd>${text}</dd></div>`)}</dl>
    ${free !== null && html`<${WholeBar} used=${used} free=${free} title=${t("admin.usage.whole")}
      text=${t("admin.usage.whole_text", { used: formatSize(used), free: formatSize(free), share: formatPercent(used / (used + free || 1)) })} />`}
    <p class="hint">${t(free === null ? "admin.usage.no_disk" : "admin.usage.note")}</p>
  </section>`;
}

function Largest({ usage }) {
  const { largest, used_bytes: all, hasMore } = usage;
  const most = Math.max(1, ...largest.map((account) => account.used_bytes));
  const rest = all - largest.reduce((sum, account) => sum + account.used_bytes, 0);
  const rows = hasMore && rest > 0 ? [...largest, { id: "rest", used_bytes: rest, isRest: true }] : largest;
  const columns = [
    { key: "name", show: (row) => (row.isRest ? t("admin.usage.others") : html`<bdi>${row.name}</bdi>`) },
    { key: "share", isHeard: true, kind: "grow-cell", show: (row) => html`<${Bar} part=${row.used_bytes / Math.max(most, rest)} isQuiet=${row.isRest} />` },
    { key: "used_bytes", isNumber: true, show: (row) => formatSize(row.used_bytes) },
    { key: "percent", isNumber: true, show: (row) => formatPercent(row.used_bytes / (all || 1)) },
    { key: "files", isNumber: true, show: (row) => (row.isRest ? "" : formatNumber(row.files)) },
  ].map((column) => ({ ...column, title: t(`admin.usage.${column.key}`) }));
  return html`<section class="largest"><h2>${t("admin.usage.largest")}</h2>
    <${Table} label=${t("admin.usage.largest")} columns=${columns} rows=${rows} keyOf=${(row) => row.id} />
    <p><${Link} href=${`${hrefOf("admin", "accounts")}?sort=used_bytes&order=desc`}>${t("admin.usage.all")}<//></p>
  </section>`;
}
