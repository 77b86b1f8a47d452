/* Tables whose heads sort; on a phone each row is a card. */

import { html, useEffect, useRef } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { IconButton } from "./button.js";
import { Select } from "./field.js";
import { Icon } from "./icon.js";

/**
 * Rows under heads. `columns`: `{key, title, show(row), isNumber, isHeard}` each; one with `sort` ("asc" or "desc", what
 * its first click means) sorts; `isHeard` hides a title; `kind` is a class, such as "tools" for buttons or "tools below"
 * for one with a text. The first column names its row. `sorting` is `{by, order}`, `onSort` takes the next one. Roles are
 * named, because the style of cards would take them away in some browsers.
 */
export function Table({ label, columns, rows, keyOf, sorting, onSort, busy = false, tableRef }) {
  return html`${onSort && html`<${SortField} columns=${columns} sorting=${sorting} onSort=${onSort} />`}
    <table ref=${tableRef} class="table" role="table" aria-label=${label} aria-busy=${busy}>
      <thead role="rowgroup"><tr role="row">${columns.map((column) => html`<${Head} key=${column.key} column=${column} sorting=${sorting} onSort=${onSort} />`)}</tr></thead>
      <tbody role="rowgroup">${rows.map((row) => html`<tr role="row" key=${keyOf(row)}>${columns.map((column, place) => html`<${Cell} key=${column.key}
        column=${column} isName=${place === 0}>${column.show(row)}<//>`)}</tr>`)}</tbody>
    </table>`;
}

function Head({ column, sorting, onSort }) {
  const isSorted = sorting?.by === column.key;
  const sorted = isSorted ? { "aria-sort": sorting.order === "asc" ? "ascending" : "descending" } : {};
  const next = isSorted ? { by: column.key, order: sorting.order === "asc" ? "desc" : "asc" } : { by: column.key, order: column.sort };
  const title = column.isHeard ? html`<span class="only-heard">${column.title}</span>` : column.title;
  return html`<th role="columnheader" scope="col" class=${column.isNumber ? "number" : undefined} ...${sorted}>
    ${column.sort && onSort
      ? html`<button type="button" class="sort-head" onClick=${() => onSort(next)}>${title}${isSorted && html`<${Icon} name=${sorting.order === "asc" ? "up" : "down"} />`}</button>`
      : title}
  </th>`;
}

function Cell({ column, isName, children }) {
  const title = column.isHeard ? undefined : column.title;
  const kind = `${column.isNumber ? "number" : ""} ${column.kind ?? ""}`.trim();
  if (isName) return html`<th role="rowheader" scope="row" class=${kind || undefined}>${children}</th>`;
  return html`<td role="cell" class=${kind || undefined} data-title=${title}>${children}</td>`;
}

/* The heads are not there on a phone. */
function SortField({ columns, sorting, onSort }) {
  const options = columns.filter((column) => column.sort).map((column) => [column.key, column.title]);
  const choose = (event) => {
    const column = columns.find(({ key }) => key === event.target.value);
    onSort({ by: column.key, order: column.sort });
  };
  const reverse = () => onSort({ by: sorting.by, order: sorting.order === "asc" ? "desc" : "asc" });
  return html`<div class="sort-field"><${Select} label=${t("common.sort_by")} options=${options} value=${sorting.by} onChange=${choose} />
    <${IconButton} icon="sort" label=${t("common.reverse")} onClick=${reverse} /></div>`;
}

/**
 * For rows that go away under the focus: `{tableRef, keepFocus(row)}`. After `keepFocus` with a row that is still there,
 * the button of the row that takes its place gets the focus, when the rows have changed; without rows, `fallback` does.
 */
export function useFocusNear(rows, fallback) {
  const tableRef = useRef();
  const wanted = useRef(null);
  useEffect(() => {
    if (wanted.current !== null) setTimeout(focus); // the dialog that asked is closed by then: what is behind it takes no focus
  }, [rows]);
  const focus = () => {
    const buttons = [...(tableRef.current?.querySelectorAll("tbody tr") ?? [])].map((row) => row.querySelector(".tools button"));
    (buttons[Math.min(wanted.current, buttons.length - 1)] ?? fallback?.current)?.focus();
    wanted.current = null;
  };
  const keepFocus = (row) => { wanted.current = Math.max(rows.indexOf(row), 0); };
  return { tableRef, keepFocus };
}
