/* What a link is and how far it is used, from what the API tells of it. */

import { formatDate, formatRelative, formatSize } from "../core/format.js";
import { t } from "../core/messages.js";

const MONTH_MS = 30 * 24 * 60 * 60 * 1000;

/** What people call it: its title, else what is in it. */
export function nameOf(link) {
  if (link.name) return link.name;
  if (link.kind === "upload") return t("links.upload.unnamed");
  return link.files.length === 1 ? link.files[0].filename : contentsOf(link);
}

/** How many files it gives out. */
export function contentsOf(link) {
  return t("links.files", { count: link.files.length });
}

/** How many bytes it gives out. */
export function sizeOf(link) {
  return formatSize(link.files.reduce((sum, file) => sum + file.size, 0));
}

/** `ended`, `used_up`, `empty`, `lost` (its address is not known any more), or null while it works. */
export function stateOf(link, now) {
  if (new Date(link.expires_at) <= now) return "ended";
  if (isFull(link.max_downloads, link.downloads) || isFull(link.max_files, link.received_files) || isFull(link.max_bytes, link.received_bytes)) return "used_up";
  if (link.kind === "download" && !link.files.length) return "empty";
  return link.url === null ? "lost" : null;
}

function isFull(most, count) {
  return most !== null && count >= most;
}

/** When it ends or has ended, in words. */
export function endOf(link, now) {
  const distance = new Date(link.expires_at) - now;
  const word = distance > 0 ? "ends" : "ended";
  if (Math.abs(distance) >= MONTH_MS) return t(`links.${word}_on`, { date: formatDate(link.expires_at) });
  return t(`links.${word}`, { when: formatRelative(link.expires_at, now) });
}

/** How often it was used, of how often it may be. */
export function useOf(link) {
  if (link.kind === "download") return ofMost("links.downloads", link.downloads, link.max_downloads);
  return ofMost("links.received", link.received_files, link.max_files);
}

/** How many bytes have come by it, of how many may. */
export function roomOf(link) {
  const size = formatSize(link.received_bytes);
  return link.max_bytes === null ? size : t("links.of", { size, most: formatSize(link.max_bytes) });
}

function ofMost(key, count, most) {
  return most === null ? t(key, { count }) : t(`${key}_of`, { count, most });
}
