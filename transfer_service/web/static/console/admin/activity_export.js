/* The audit log as a table to keep: every row that the filters let through. */

import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { request } from "../core/api.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { Button } from "../ui/button.js";
import { say } from "../ui/toast.js";

/** A button that saves them; while it runs the same button ends it. */
export function ExportButton({ filters }) {
  const [isRunning, setRunning] = useState(false);
  const ending = useRef(null);
  useEffect(() => () => ending.current?.abort(), []);
  const run = async () => {
    ending.current = new AbortController();
    setRunning(true);
    try {
      await save(filters, ending.current.signal);
    } catch (error) {
      if (error.name !== "AbortError") say(textOf(error), { isProblem: true });
    } finally {
      setRunning(false);
    }
  };
  if (isRunning) return html`<${Button} icon="close" onClick=${() => ending.current.abort()}>${t("admin.activities.exporting")}<//>`;
  return html`<${Button} icon="download" onClick=${run}>${t("admin.activities.export")}<//>`;
}

/* A link cannot ask for CSV. A blob of an answer is not the page's memory: browsers keep long ones in files of their own. */
async function save(filters, signal) {
  const answer = await request("GET", "/api/activities", { query: filters, headers: { Accept: "text/csv" }, signal });
  const address = URL.createObjectURL(await answer.blob());
  const link = Object.assign(document.createElement("a"), { href: address, download: `activities-${new Date().toISOString().slice(0, 10)}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
