/* Uploads while another page of the console is shown, what is said of them in the end, and how far they are in the title. */

import { html, useEffect } from "../../vendor/htm-preact.js";
import { formatPercent } from "../core/format.js";
import { t } from "../core/messages.js";
import { hrefOf, Link } from "../core/router.js";
import { useStore } from "../core/store.js";
import { bringsFiles } from "../ui/drops.js";
import { ProgressBar } from "../ui/progress.js";
import { say } from "../ui/toast.js";
import { queue } from "./uploads.js";
import { wordsOf, wordsOfAll } from "./words.js";

const PERCENT = /^\(.*?\) /;

/** A bar for all with the way to the page of files; nothing while they are shown anyway: on that page, and those of a chat in it. */
export function UploadDock({ current }) {
  useStore(queue.changed);
  useEffect(() => watchQueue(), []);
  useEffect(() => keepPage(), []);
  useTitle();
  const isShown = current === "files" || queue.entries.every((each) => each.isChat && current === "chat");
  if (isShown) return null;
  const progress = queue.tally.progress(queue.entries);
  return html`<aside class="upload-dock" aria-label=${t("uploads.title")}>
    <${Link} href=${hrefOf("files")}><strong>${t("uploads.title")}</strong><span class="quiet small">${wordsOfAll(progress)}</span><//>
    <${ProgressBar} label=${t("uploads.all")} value=${progress.sent} max=${progress.bytes} />
  </aside>`;
}

function useTitle() {
  const { sent, bytes } = queue.tally.progress(queue.entries);
  const percent = queue.isActive && bytes ? `(${formatPercent(sent / bytes)}) ` : "";
  useEffect(() => { document.title = percent + document.title.replace(PERCENT, ""); });
}

/* What has arrived is said once all have; what is refused, at once. */
function watchQueue() {
  let failed = new Set();
  let forget = null;
  let last = null;
  const unwatchFinished = queue.onFinished((entry) => { if (!entry.isChat) last = entry; });
  const unwatch = queue.changed.watch(() => {
    const now = queue.entries.filter((each) => each.state === "failed");
    const isNews = now.some((each) => !failed.has(each));
    if (isNews || !now.length) forget?.();
    if (isNews) {
      forget = say(wordsOfFailed(now), { isProblem: true });
    }
    failed = new Set(now);
    if (!last || queue.entries.length) return;
    say(t("uploads.sent", { count: queue.tally.done, name: last.name }));
    last = null;
  });
  return () => {
    unwatch();
    unwatchFinished();
  };
}

/* One of them with its reason, or how many there are: a full account refuses thousands. */
function wordsOfFailed(failed) {
  const [first] = failed;
  return failed.length > 1 ? t("uploads.not_sent_many", { count: failed.length }) : t("uploads.not_sent", { name: first.name, reason: wordsOf(first) });
}

/* A file that is dropped where nothing takes it would be opened in place of the console. */
function keepPage() {
  const keep = (event) => {
    if (!bringsFiles(event) || event.defaultPrevented) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "none";
  };
  window.addEventListener("dragover", keep);
  window.addEventListener("drop", keep);
  return () => {
    window.removeEventListener("dragover", keep);
    window.removeEventListener("drop", keep);
  };
}
