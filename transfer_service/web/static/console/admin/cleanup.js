/* The cleanup: run now, and what it has removed. */

import { html, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { formatNumber, formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { Button } from "../ui/button.js";
import { Table } from "../ui/table.js";

const WHOLE = "Cleanup completed";

export function Cleanup() {
  const [isRunning, setRunning] = useState(false);
  const [report, setReport] = useState(null);
  const [problem, setProblem] = useState("");
  const run = async () => {
    if (isRunning) return;
    setRunning(true);
    setProblem("");
    try {
      setReport(await api("POST", "/cleanup"));
    } catch (error) {
      setProblem(textOf(error));
    } finally {
      setRunning(false);
    }
  };
  return html`<section class="block" aria-label=${t("admin.cleanup.title")}>
    <h2>${t("admin.cleanup.title")}</h2>
    <p class="quiet">${t("admin.cleanup.text")}</p>
    <p><${Button} icon="refresh" aria-disabled=${isRunning} onClick=${run}>${t(isRunning ? "admin.cleanup.running" : "admin.cleanup.run")}<//></p>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    <div role="status">${report && !isRunning && html`<${Report} report=${report} />`}</div>
  </section>`;
}

/* Orphans that are too many stay: the answer's own words say the command that takes them. */
function Report({ report }) {
  const { removed, restored, in_quarantine: kept, missing, message } = report;
  const rows = [...Object.entries(removed), ["restored", restored], ["in_quarantine", kept]]
    .filter(([, { count }]) => count > 0).map(([name, tally]) => ({ name, ...tally }));
  const columns = [
    { key: "name", show: ({ name }) => t(`admin.cleanup.kind.${name}`) },
    { key: "count", isNumber: true, show: ({ count }) => formatNumber(count) },
    { key: "bytes", isNumber: true, show: ({ bytes }) => formatSize(bytes) },
  ].map((column) => ({ ...column, title: t(`admin.cleanup.${column.key}`) }));
  return html`<p>${t(Object.values(removed).some(({ count }) => count) ? "admin.cleanup.done" : "admin.cleanup.nothing")}</p>
    ${message !== WHOLE && html`<p class="notice" lang="en">${message}</p>`}
    ${missing > 0 && html`<p class="notice">${t("admin.cleanup.missing", { count: missing })}</p>`}
    ${rows.length > 0 && html`<${Table} label=${t("admin.cleanup.report")} columns=${columns} rows=${rows} keyOf=${({ name }) => name} />`}`;
}
