/* Tables of any length, scrolled with the page: only the rows that can be seen are in the document. */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../../vendor/htm-preact.js";

const BESIDE = 8;
const STEP = 4;
const AHEAD = 100;
const FIRST_HEIGHT = 56;

/**
 * Rows of one height, set by the style sheet. `head` is the row of heads, `show(item, index)` gives the cells of a row,
 * `attributesOf(item, index)` what its element has besides. Arrows, Page, Home and End move between rows, to the part
 * (`data-part`) that had the focus; `onMove(from, to, event)` hears of it. The focus stays with its item wherever that
 * goes, and with its neighbour when it goes away; see `useEmptied` for the last one.
 *
 * `isWhole` says whether `items` are all that there are: until then `onNearEnd` is called where more are needed, and
 * `onEnd` for all of them. `handle` is a ref that gets `focusRow(index, part)`, `focusKey(key)`, `keepFocus()`,
 * `kept` (a ref to the `key` that has the focus), `count`, and `seen()`: the last row that is seen.
 */
export function VirtualTable({ label, head, items, keyOf, show, attributesOf, isWhole = true, onNearEnd, onEnd, onMove, handle, ...rest }) {
  const table = useRef();
  const body = useRef();
  const range = useRange(body, items.length);
  const focus = useKeptFocus(table, items, keyOf);
  const moving = useRef();
  moving.current = { items, isWhole, onEnd, onMove, focusRow: focus.focusRow, page: range.page };
  if (handle) handle.current = { ...focus, count: items.length, seen: () => (body.current ? rangeIn(body.current, range).last : 0) };
  useEffect(() => {
    if (!isWhole && range.last + AHEAD >= items.length) onNearEnd?.();
  }, [range.last, items.length, isWhole]);
  const indexes = drawn(range, focus.pinned(), items.length);
  return html`<div ref=${table} role="table" class="virtual" aria-label=${label} aria-rowcount=${isWhole ? items.length + 1 : -1}
      onfocusin=${focus.note} onKeyDown=${(event) => moveByKey(event, moving.current)} ...${rest}>
    <div role="rowgroup" class="virtual-head"><div role="row" aria-rowindex="1" class="virtual-row">${head}</div></div>
    <div role="rowgroup" class="virtual-body" ref=${body} style=${{ height: `${items.length * range.height}px` }}>
      ${indexes.map((index) => html`<div role="row" class="virtual-row" key=${keyOf(items[index])} data-index=${index} aria-rowindex=${index + 2}
        ...${attributesOf?.(items[index], index)} style=${{ top: `${index * range.height}px` }}>${show(items[index], index)}</div>`)}
    </div>
  </div>`;
}

/** Calls `onEmptied` when the last of `count` items has gone, and the focus with it. */
export function useEmptied(count, onEmptied) {
  const before = useRef(0);
  useEffect(() => {
    if (!count && before.current && isNobodys()) onEmptied();
    before.current = count;
  }, [count]);
}

function drawn(range, pinned, count) {
  const last = Math.min(range.last, count);
  const first = Math.min(range.first, last);
  const indexes = Array.from({ length: last - first }, (_, place) => first + place);
  if (pinned >= 0 && pinned < first) indexes.unshift(pinned);
  if (pinned >= last) indexes.push(pinned);
  return indexes;
}

/* Which rows can be seen, and some on either side of them. */
function useRange(body, count) {
  const [range, setRange] = useState({ first: 0, last: 2 * BESIDE, height: FIRST_HEIGHT, page: BESIDE });
  useLayoutEffect(() => {
    let frame = 0;
    const look = () => {
      frame = 0;
      setRange((old) => rangeIn(body.current, old));
    };
    const soon = () => { frame ||= requestAnimationFrame(look); };
    const resized = new ResizeObserver(soon);
    look();
    resized.observe(document.body);
    window.addEventListener("scroll", soon, { passive: true });
    window.addEventListener("resize", soon);
    return () => {
      cancelAnimationFrame(frame);
      resized.disconnect();
      window.removeEventListener("scroll", soon);
      window.removeEventListener("resize", soon);
    };
  }, [count]);
  return range;
}

function rangeIn(body, old) {
  const height = body.firstElementChild?.getBoundingClientRect().height || old.height;
  const above = -body.getBoundingClientRect().top;
  const first = Math.max(Math.floor(above / height) - BESIDE, 0);
  const last = Math.max(Math.ceil((above + window.innerHeight) / height) + BESIDE, 0);
  const next = { first: first - (first % STEP), last: last + STEP - (last % STEP), height, page: Math.max(Math.floor(window.innerHeight / height) - 3, 1) };
  return Object.keys(next).every((key) => next[key] === old[key]) ? old : next;
}

/* Rows are taken out of the document and moved in it, and the focus would be lost with them. */
function useKeptFocus(table, items, keyOf) {
  const [, draw] = useState(0);
  const kept = useRef(null);
  const isWanted = useRef(false);
  const pinned = () => {
    if (!kept.current) return -1;
    const { key, index } = kept.current;
    return items[index] && keyOf(items[index]) === key ? index : items.findIndex((item) => keyOf(item) === key);
  };
  const focusRow = (index, part = "name") => {
    if (!items[index]) return;
    kept.current = { key: keyOf(items[index]), index, part };
    isWanted.current = true;
    draw((turn) => turn + 1);
  };
  /* Its row may only come with the next drawing. */
  const focusKey = (key, part = "name") => {
    kept.current = { key, index: 0, part };
    isWanted.current = true;
    draw((turn) => turn + 1);
  };
  const keepFocus = () => {
    if (!kept.current || (!isWanted.current && !isNobodys())) return;
    const index = pinned();
    if (index < 0) return afterItem();
    kept.current.index = index;
    const row = table.current.querySelector(`[data-index="${index}"]`);
    if (isWanted.current) row?.scrollIntoView({ block: "nearest" });
    isWanted.current = false;
    focusPart(row, kept.current.part);
  };
  const afterItem = () => {
    if (items.length) focusRow(Math.min(kept.current.index, items.length - 1), kept.current.part);
  };
  const note = (event) => {
    const row = event.target.closest("[data-index]");
    if (!row || event.target.closest("[role=menu]")) return;
    const index = Number(row.dataset.index);
    kept.current = { key: keyOf(items[index]), index, part: event.target.dataset.part ?? "name" };
  };
  useLayoutEffect(keepFocus);
  useForgetting(table, kept);
  return { focusRow, focusKey, keepFocus, pinned, note, kept };
}

function focusPart(row, part) {
  const wanted = row?.querySelector(`[data-part="${part}"]`) ?? row?.querySelector("a, button, input");
  wanted?.focus({ preventScroll: true });
}

/* Where the focus falls to when what had it is gone. */
function isNobodys() {
  return document.activeElement.matches("body, #main");
}

/* Whoever goes elsewhere does not want to be called back; dialogs and menus give the focus back by themselves. */
function useForgetting(table, kept) {
  useEffect(() => {
    const forget = ({ type, target }) => {
      const isGivenBack = target.closest?.("dialog, [role=menu]") || (type === "focusin" && target.id === "main");
      if (!isGivenBack && !table.current?.contains(target)) kept.current = null;
    };
    document.addEventListener("focusin", forget);
    document.addEventListener("pointerdown", forget);
    return () => {
      document.removeEventListener("focusin", forget);
      document.removeEventListener("pointerdown", forget);
    };
  }, []);
}

async function moveByKey(event, { items, isWhole, onEnd, onMove, focusRow, page }) {
  const row = event.target.closest("[data-index]");
  const isOurs = row && !event.defaultPrevented && !event.altKey && !event.metaKey && !event.target.closest("[role=menu]");
  if (!isOurs || (event.ctrlKey && !["Home", "End"].includes(event.key))) return;
  const from = Number(row.dataset.index);
  const places = { ArrowDown: from + 1, ArrowUp: from - 1, PageDown: from + page, PageUp: from - page, Home: 0, End: Infinity };
  if (!(event.key in places)) return;
  event.preventDefault();
  if (event.key === "End" && !isWhole && onEnd) return onEnd(from, event);
  const to = Math.max(0, Math.min(places[event.key], items.length - 1));
  onMove?.(from, to, event);
  focusRow(to, event.target.dataset.part);
}
