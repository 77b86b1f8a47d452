/* Which activities are shown: the filters of the API, kept in the address of the page. */

import { html, useEffect, useRef } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { Button } from "../ui/button.js";
import { Field, Select } from "../ui/field.js";
import { titleOf } from "./activity.js";

const NAMES = ["username", "action", "resource", "from", "to"];
const RESOURCES = ["accounts", "conversations", "files", "folders", "games", "keys", "links", "webhooks"];
const ACTIONS = [
  "account.signed_in", "account.sign_in_failed", "account.signed_out", "account.session_ended", "account.created", "account.changed", "account.disabled",
  "account.enabled", "account.deleted", "account.password_changed", "account.exported", "key.created", "key.revoked", "file.uploaded", "file.renamed",
  "file.deleted", "file.restored", "file.purged", "file.attached", "upload.cancelled", "folder.created", "folder.moved", "folder.deleted", "link.created",
  "link.revoked", "link.downloaded", "conversation.created", "conversation.deleted", "conversation.participant_added", "conversation.participant_removed",
  "webhook.created", "webhook.deleted", "webhook.ended", "webhook.tested", "webhook.redelivered", "download.started", "download.completed",
  "download.failed", "download.cancelled", "archive.deleted", "game.imported",
];

/** The filters that an address has, as the API takes them. Instants that are none are left out. */
export function filtersOf(query) {
  const given = Object.fromEntries(NAMES.map((name) => [name, query.get(name) || null]));
  for (const name of ["from", "to"]) if (given[name] && Number.isNaN(Date.parse(given[name]))) given[name] = null;
  return given;
}

/** The button that shows them on a phone, where they are folded. */
export function FiltersToggle({ filters, isOpen, onToggle }) {
  const count = countOf(filters);
  return html`<${Button} icon="search" class="button plain filters-toggle" aria-expanded=${isOpen} onClick=${onToggle}>
    ${count ? t("admin.activities.filters_set", { count }) : t("admin.activities.filters")}<//>`;
}

function countOf(filters) {
  return NAMES.filter((name) => filters[name]).length;
}

/** Fields for all of them; `onChange` takes what has changed. */
export function Filters({ filters, isOpen, onChange }) {
  const form = useRef();
  useEffect(() => {
    form.current.elements.username.value = filters.username ?? "";
    form.current.elements.from.value = localOf(filters.from);
    form.current.elements.to.value = localOf(filters.to);
  }, [filters.username, filters.from, filters.to]);
  const read = (event) => {
    event.preventDefault();
    const fields = form.current.elements;
    onChange({
      username: fields.username.value.trim() || null, action: fields.action.value || null, resource: fields.resource.value || null,
      from: instantOf(fields.from.value, "00.000"), to: instantOf(fields.to.value, "59.999"),
    });
  };
  const actions = ACTIONS.map((action) => [action, titleOf({ action })]);
  const known = filters.action && !ACTIONS.includes(filters.action) ? [[filters.action, filters.action], ...actions] : actions;
  return html`<form ref=${form} class=${isOpen ? "filters" : "filters folded"} role="search" aria-label=${t("admin.activities.filters")} onChange=${read} onSubmit=${read}>
    <${Field} label=${t("admin.activities.username")} name="username" autocomplete="off" autocapitalize="none" spellcheck="false" />
    <${Select} label=${t("admin.activities.action")} name="action" value=${filters.action ?? ""} options=${[["", t("admin.activities.any")], ...known]} />
    <${Select} label=${t("admin.activities.resource")} name="resource" value=${filters.resource ?? ""}
      options=${[["", t("admin.activities.any")], ...RESOURCES.map((each) => [each, t(`admin.resource.${each}`)])]} />
    <${Field} label=${t("admin.activities.from")} name="from" type="datetime-local" />
    <${Field} label=${t("admin.activities.to")} name="to" type="datetime-local" />
    ${countOf(filters) > 0 && html`<${Button} kind="quiet" onClick=${() => onChange(Object.fromEntries(NAMES.map((name) => [name, null])))}>${t("admin.activities.clear")}<//>`}
  </form>`;
}

/* The minute that somebody names, from its begin or to its end; in UTC, as the API takes it. */
function instantOf(local, seconds) {
  if (!local) return null;
  const at = new Date(`${local.slice(0, 16)}:${seconds}`);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}

/* As the field takes it: to the minute, in the zone of whoever looks. */
function localOf(instant) {
  if (!instant) return "";
  const at = new Date(instant);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
