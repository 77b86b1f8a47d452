/* How much room an account has: the general rule, or so many bytes in a unit that people read. */

import { html, useState } from "../../vendor/htm-preact.js";
import { formatSize, unitNames } from "../core/format.js";
import { t } from "../core/messages.js";
import { Field, Select } from "../ui/field.js";

const DEFAULT_UNIT = 3;

/**
 * `value` are bytes, null for the general quota; `general` is what that is, null without a limit, undefined where it is
 * not known; `used` is what is used already.
 */
export function QuotaField({ value, general, used }) {
  const [isOwn, setOwn] = useState(value !== null);
  const [amount, unit] = value === null ? ["", DEFAULT_UNIT] : amountOf(value);
  const known = general === undefined ? t("admin.quota.general") : t("admin.quota.general_of", { size: general === null ? t("admin.quota.unlimited") : formatSize(general) });
  return html`<${Select} label=${t("admin.quota.label")} name="quota" value=${isOwn ? "own" : "general"} options=${[["general", known], ["own", t("admin.quota.own")]]}
      onChange=${(event) => setOwn(event.target.value === "own")} hint=${used === undefined ? undefined : t("admin.quota.used", { size: formatSize(used) })} />
    ${isOwn && html`<div class="beside">
      <${Field} label=${t("admin.quota.amount")} name="quota_amount" type="number" inputmode="decimal" min="0" step="any" required defaultValue=${amount} hint=${t("admin.quota.hint")} />
      <${Select} label=${t("admin.quota.unit")} name="quota_unit" initial=${unit} options=${unitNames().map((name, place) => [place, name])} />
    </div>`}`;
}

/** The bytes that a form with such a field says, null for the general quota. What was not touched is `before` to the byte. */
export function quotaOf(fields, before = null) {
  if (fields.get("quota") === "general") return null;
  const amount = fields.get("quota_amount");
  const unit = Number(fields.get("quota_unit"));
  if (before !== null && String(amountOf(before)) === String([Number(amount), unit])) return before;
  return Math.round(Number(amount) * 1000 ** unit);
}

/* In the largest unit that needs no more than three digits behind the point. */
function amountOf(bytes) {
  if (bytes === 0) return [0, DEFAULT_UNIT];
  let unit = unitNames().length - 1;
  while (unit > 0 && (bytes < 1000 ** unit || bytes % 1000 ** (unit - 1) !== 0)) unit -= 1;
  return [bytes / 1000 ** unit, unit];
}
