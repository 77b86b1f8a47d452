/* The list of files and folders: its rows, what is selected, and what may be done with them. */

import { html, useCallback, useEffect, useMemo, useRef } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { useStore } from "../core/store.js";
import { textOf } from "../core/problems.js";
import { Shown } from "../previews/shown.js";
import { Button } from "../ui/button.js";
import { Failed, Loading } from "../ui/states.js";
import { say } from "../ui/toast.js";
import { useEmptied, VirtualTable } from "../ui/virtual_table.js";
import { unfinished } from "../uploads/unfinished.js";
import { arrived, queue } from "../uploads/uploads.js";
import { useActions } from "./actions.js";
import { changes, refreshFiles } from "./changes.js";
import { dragAttributes, dropAttributes } from "./dragging.js";
import { Heads, OrderField } from "./heads.js";
import { going } from "./removal.js";
import { Row } from "./row.js";
import { useSelection } from "./selection.js";
import { SelectionBar } from "./selection_bar.js";
import { usePlaceInHistory } from "./view.js";

const FOCUS_REFRESH_MS = 5000;

/** What `listing` finds; `nothing` is shown where that is nothing, `onEmptied` called when the last row goes. */
export function FileList({ listing, order, onOrder, nothing, onEmptied }) {
  const { folder } = listing.query;
  const state = useLoadedState(listing);
  const items = useShown(state.items);
  const shownLarge = useMemo(() => items.filter((item) => item.isWhole && !item.isFolder).map(({ id, name }) => ({ file_id: id, filename: name })), [items]);
  const table = useRef(null);
  const selection = useSelection(items);
  const { actions, dialog } = useActions({ folder, table, selection });
  const place = usePlaceInHistory(table, listing, state);
  useEmptied(items.length, onEmptied);
  useFreshness(listing, table, selection);
  useFirstFocus(table, items, place);
  return html`${state.error && !items.length ? html`<${Failed} error=${state.error} onRetry=${listing.more} problems=${{ 404: t("files.no_folder") }} />`
      : !state.isLoaded ? html`<${Loading} />`
      : !items.length ? nothing
      : html`<${Rows} state=${state} items=${items} listing=${listing} table=${table} selection=${selection} actions=${actions} order=${order} onOrder=${onOrder} onLeave=${place.note} />`}
    <${Shown} files=${shownLarge} onClosed=${(id) => table.current?.focusKey(id)} />
    ${dialog}`;
}

function Rows({ state, items, listing, table, selection, actions, order, onOrder, onLeave }) {
  const { folder, search } = listing.query;
  const { chosen } = selection;
  const reorder = (next) => {
    selection.clear();
    onOrder(next);
  };
  const chooseAll = async () => {
    await all(listing);
    selection.all(listing.state.get().items.filter(({ key }) => !going.get().has(key)));
  };
  const goToEnd = async () => {
    await all(listing);
    table.current.focusRow(table.current.count - 1);
  };
  return html`<div class="files ${search ? "searched" : ""} ${chosen.size ? "choosing" : ""}" onClickCapture=${onLeave}
      onKeyDown=${(event) => actOnKey(event, { items, selection, actions, chooseAll })}>
    <${OrderField} order=${order} onOrder=${reorder} />
    <${SelectionBar} selection=${selection} isAll=${state.isWhole && chosen.size === items.length} actions=${actions} onAll=${chooseAll} />
    <${VirtualTable} label=${t("files.title")} items=${items} keyOf=${({ key }) => key} isWhole=${state.isWhole} handle=${table} onNearEnd=${listing.more} onEnd=${goToEnd}
      head=${html`<${Heads} order=${order} onOrder=${reorder} />`} onMove=${(from, to, event) => event.shiftKey && selection.extend(to, from)}
      attributesOf=${(item) => ({ class: `virtual-row ${chosen.has(item.key) ? "row-chosen" : ""}`, ...dragAttributes(item, chosen), ...(item.isFolder && dropAttributes(item.name)) })}
      show=${(item, index) => html`<${Row} item=${item} folder=${folder} isSearch=${Boolean(search)} isChosen=${chosen.has(item.key)} actions=${actions}
        onToggle=${(event) => (event.shiftKey ? selection.extend(index) : selection.toggle(item))} />`} />
    ${state.error && html`<p class="problem" role="alert">${textOf(state.error)} <${Button} onClick=${listing.more}>${t("common.again")}<//></p>`}
  </div>`;
}

/* In another order the list stays as it was until that has come: heads keep their focus. */
function useLoadedState(listing) {
  const store = useStore(listing.state);
  const state = listing.state.get() === store ? store : listing.state.get();
  const last = useRef(state);
  if (state.isLoaded) last.current = state;
  return state.isLoaded ? state : last.current;
}

/* Very many take a while. */
async function all(listing) {
  const hide = listing.state.get().isWhole ? null : say(t("files.loading_all"), { seconds: 600 });
  await listing.all();
  hide?.();
}

/* Without what is about to be deleted, and without the uploads that the page shows by themselves. */
function useShown(items) {
  const hidden = useStore(going);
  const { uploads } = useStore(unfinished);
  return useMemo(() => {
    const sent = new Set([...uploads.map(({ filename }) => filename), ...queue.entries.map(({ name }) => name.normalize("NFC"))]);
    const isShown = (item) => !hidden.has(item.key) && (item.isWhole || !sent.has(item.name));
    return items.every(isShown) ? items : items.filter(isShown);
  }, [items, hidden, uploads]);
}

/* What others did is seen when somebody tells of it, and when the window is looked at again. */
function useFreshness(listing, table, selection) {
  const asked = useRef(0);
  const isChoosing = useRef();
  isChoosing.current = selection.chosen.size > 0;
  const refresh = useCallback(() => {
    asked.current = Date.now();
    return listing.refresh(isChoosing.current ? Infinity : table.current?.seen());
  }, [listing]);
  useEffect(() => {
    refresh();
    const look = () => document.hidden || Date.now() - asked.current < FOCUS_REFRESH_MS || refresh();
    const forgets = [changes.watch(refresh), arrived.watch(refreshFiles)];
    window.addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      for (const forget of forgets) forget();
      window.removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
      listing.stop();
    };
  }, [listing]);
}

/* Whoever opened a folder by a link that is gone with its list begins at the first row. */
function useFirstFocus(table, items, place) {
  const wasOpened = useRef(false);
  useEffect(() => {
    wasOpened.current = hasOpened && document.activeElement === document.body;
    hasOpened = true;
  }, []);
  useEffect(() => {
    if (!wasOpened.current || !items.length || place.isComingBack()) return;
    wasOpened.current = false;
    if (document.activeElement === document.body) table.current?.focusRow(0);
  }, [items]);
}

let hasOpened = false;

function actOnKey(event, { items, selection, actions, chooseAll }) {
  const row = event.target.closest("[data-index]");
  if (!row || event.defaultPrevented || event.target.closest("[role=menu]")) return;
  const item = items[Number(row.dataset.index)];
  const chosen = selection.chosen.size ? [...selection.chosen.values()] : [item];
  const isCommand = event.ctrlKey || event.metaKey;
  if (isCommand && event.key === "a") chooseAll();
  else if (isCommand || event.altKey) return;
  else if (event.key === " " && event.target.dataset.part === "name") selection.toggle(item);
  else if (event.key === "Escape" && selection.chosen.size) selection.clear();
  else if (event.key === "Delete") actions.remove(chosen);
  else if (event.key === "F2") actions.rename(item);
  else return;
  event.preventDefault();
}
