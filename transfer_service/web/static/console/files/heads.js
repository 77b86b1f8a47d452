/* The heads of the list, by which it is sorted; on a phone one field. */

import { html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { Select } from "../ui/field.js";
import { Icon } from "../ui/icon.js";

const COLUMNS = [["name", "asc", "name"], ["size", "desc", "size"], ["created", "desc", "added"], ["updated", "desc", "changed"]];

/** The cells of the first row. `order` is `{sort, order}`. */
export function Heads({ order, onOrder }) {
  return html`<div role="columnheader" class="cell-check"><span class="only-heard">${t("files.selected")}</span></div>
    ${COLUMNS.map(([sort, first, name]) => html`<${Head} key=${sort} sort=${sort} first=${first} name=${name} order=${order} onOrder=${onOrder} />`)}
    <div role="columnheader" class="cell-tools"><span class="only-heard">${t("files.actions_head")}</span></div>`;
}

function Head({ sort, first, name, order, onOrder }) {
  const isSorted = order.sort === sort;
  const sorted = isSorted ? { "aria-sort": order.order === "asc" ? "ascending" : "descending" } : {};
  const next = isSorted ? { sort, order: order.order === "asc" ? "desc" : "asc" } : { sort, order: first };
  return html`<div role="columnheader" class=${`cell-${name}`} ...${sorted}>
    <button type="button" class="sort-head" onClick=${() => onOrder(next)}>${t(`files.${name}`)}${isSorted && html`<${Icon} name=${order.order === "asc" ? "up" : "down"} />`}</button>
  </div>`;
}

/** The same as a choice, for where there is no room for heads. */
export function OrderField({ order, onOrder }) {
  const options = COLUMNS.flatMap(([sort, first]) => [first, first === "asc" ? "desc" : "asc"].map((direction) => [`${sort} ${direction}`, t(`files.by_${sort}_${direction}`)]));
  const choose = (event) => {
    const [sort, direction] = event.target.value.split(" ");
    onOrder({ sort, order: direction });
  };
  return html`<div class="order-field"><${Select} label=${t("common.sort_by")} options=${options} value=${`${order.sort} ${order.order}`} onChange=${choose} /></div>`;
}
