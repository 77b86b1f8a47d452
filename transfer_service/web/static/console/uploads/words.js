/* What is said of an upload. */

import { formatDuration, formatSize, formatSpeed } from "../core/format.js";
import { t } from "../core/messages.js";

/** Where a file of the queue stands, in words. */
export function wordsOf({ state, offset, size, problem, detail, isOther }) {
  const sent = t("uploads.part", { sent: formatSize(offset), size: formatSize(size) });
  if (state === "failed") return t(`uploads.problems.${problem}`, { detail });
  if (state === "queued") return t("uploads.queued", { size: formatSize(size) });
  if (state === "done") return t("uploads.done", { size: formatSize(size) });
  const told = state === "sending" || state === "checking" ? sent : t(`uploads.${state}`, { sent });
  return isOther ? `${told} · ${t("uploads.other_bytes")}` : told;
}

/** How far all together are, how fast, and how long it takes. */
export function wordsOfAll({ count, done, bytes, sent, speed, secondsLeft }) {
  const parts = [t("uploads.files_done", { done, count }), t("uploads.part", { sent: formatSize(sent), size: formatSize(bytes) })];
  if (speed) parts.push(formatSpeed(speed));
  if (secondsLeft !== null) parts.push(t("uploads.time_left", { time: formatDuration(secondsLeft) }));
  return parts.join(" · ");
}
