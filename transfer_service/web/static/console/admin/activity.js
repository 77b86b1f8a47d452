/* One line of the audit log in words: what happened, to what, and all that is recorded of it. */

import { html } from "../../vendor/htm-preact.js";
import { formatInstant, formatNumber, formatSize } from "../core/format.js";
import { t } from "../core/messages.js";

const NAMES = ["filename", "path", "gameTitle", "group_name", "name", "host", "account", "participant"];
const SIZES = new Set(["size", "received_bytes", "quota_bytes"]);
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;

/** What an action is called; its own name where nobody has said. */
export function titleOf({ action }) {
  const key = `admin.action.${action}`;
  const text = t(key);
  return text === key ? action : text;
}

/** What it was done to: a name, both of a rename, an account. */
export function Subject({ row }) {
  const { details, resource, resourceId } = row;
  const name = NAMES.map((each) => details?.[each]).find((each) => typeof each === "string" && each);
  const people = Array.isArray(details?.participants) ? details.participants.join(", ") : undefined;
  const shown = resource === "accounts" ? (resourceId === row.username ? null : resourceId ?? name) : name ?? people ?? resourceId;
  if (typeof details?.previous === "string" && name) {
    return html` <span class="done-to"><bdi>${details.previous}</bdi> <span class="arrow" aria-label=${t("admin.activities.renamed_to")} role="img">→</span> <bdi>${name}</bdi></span>`;
  }
  return shown ? html` <bdi class="done-to">${shown}</bdi>` : null;
}

/** Every field that is recorded, by its name in the API. */
export function Details({ row }) {
  const fields = [["id", String(row.id)], ["action", row.action], ["resource", row.resource], ["resourceId", row.resourceId], ...Object.entries(row.details ?? {})];
  const shown = fields.filter(([, value]) => value !== null && value !== undefined);
  return html`<dl class="record">${shown.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd><bdi>${textOfValue(name, value)}</bdi></dd></div>`)}</dl>`;
}

function textOfValue(name, value) {
  if (typeof value === "number") return SIZES.has(name) ? formatSize(value) : formatNumber(value);
  if (typeof value === "string") return INSTANT.test(value) ? formatInstant(value) : value;
  if (Array.isArray(value) && value.every((each) => typeof each !== "object")) return value.join(", ");
  return typeof value === "boolean" ? t(value ? "admin.yes" : "admin.no") : JSON.stringify(value);
}
