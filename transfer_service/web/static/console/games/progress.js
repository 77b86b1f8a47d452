/* A download that runs: its bar, and in words how far it is. */

import { html } from "../../vendor/htm-preact.js";
import { formatDuration, formatPercent, formatSize, formatSpeed } from "../core/format.js";
import { t } from "../core/messages.js";
import { ProgressBar } from "../ui/progress.js";

export function DownloadProgress({ job }) {
  return html`<div class="game-progress">
    <${ProgressBar} label=${job.title} value=${job.bytesDownloaded} max=${job.totalBytes} />
    <p class="small quiet">${wordsOf(job)}</p>
  </div>`;
}

function wordsOf({ status, bytesDownloaded: done, totalBytes: total, speed }) {
  if (status === "pending") return t("games.states.pending");
  if (status === "verifying") return t("games.states.verifying");
  const words = [total ? formatPercent(done / total) : null, t("games.of", { done: formatSize(done), total: formatSize(total) })];
  if (speed > 0) words.push(formatSpeed(speed), t("games.left", { time: formatDuration((total - done) / speed) }));
  return words.filter(Boolean).join(" · ");
}
