/* What may be done with files and folders, and the dialogs for it. */

import { html, useEffect, useMemo, useRef, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { say } from "../ui/toast.js";
import { refreshFiles } from "./changes.js";
import { MoveDialog, RenameDialog } from "./dialogs.js";
import { download } from "./downloads.js";
import { labelOf } from "./items.js";
import { changeItems } from "./listing.js";
import { moveInto, refusalOf, rename } from "./naming.js";
import { removeItems } from "./removal.js";

/* Only what was done last is offered to be undone. */
let hideMoved = () => {};

/** `{actions, dialog}`: functions of items, and the dialog that one of them has opened. */
export function useActions({ folder, table, selection }) {
  const [opened, setOpened] = useState(null);
  const latest = useRef();
  latest.current = { table, selection };
  useEffect(() => { if (!opened) table.current?.keepFocus(); }, [opened]);
  const actions = useMemo(() => ({
    download,
    share: (items) => openShare(items, setOpened),
    rename: (item) => setOpened(() => (onClose) => html`<${RenameDialog} item=${item} onDone=${renamed} onClose=${onClose} />`),
    move: (items) => setOpened(() => (onClose) => html`<${MoveDialog} items=${items} folder=${folder} onDone=${moved} onClose=${onClose} />`),
    remove: (items) => {
      hideMoved();
      latest.current.selection.clear();
      removeItems(items, { onUndo: () => latest.current.table.current?.focusKey(items[0].key) });
    },
  }), [folder]);
  return { actions, dialog: opened?.(() => setOpened(null)) };
}

/** Move items into a folder without a question, and tell how that went. */
export async function moveItems(items, place) {
  const failed = await moveInto(items, place, moved);
  if (failed.length) say(refusalOf(failed), { isProblem: true });
}

async function openShare(items, setOpened) {
  try {
    const { ShareDialog } = await import("../links/share_dialog.js");
    const files = items.filter((item) => !item.isFolder).map(({ id, name }) => ({ file_id: id, filename: name }));
    const folders = items.filter((item) => item.isFolder).map(({ name }) => name);
    setOpened(() => (onClose) => html`<${ShareDialog} files=${files} folders=${folders} onClose=${onClose} />`);
  } catch (error) {
    say(textOf(error), { isProblem: true });
  }
}

function renamed(item, now) {
  changeItems((each) => (each.key === item.key ? now : each));
  refreshFiles();
}

function moved(pairs, place) {
  const gone = new Set(pairs.map(([item]) => item.key));
  changeItems((each) => (gone.has(each.key) ? null : each));
  refreshFiles();
  const what = pairs.length === 1 ? t("files.one_quoted", { name: pairs[0][0].label }) : t("files.items", { count: pairs.length });
  const action = { label: t("common.undo"), onSelect: () => moveBack(pairs) };
  hideMoved();
  hideMoved = say(t("files.moved", { what, place: place ? labelOf(place) : t("files.top") }), { action });
}

async function moveBack(pairs) {
  const failed = [];
  for (const [item, now] of pairs) await rename(now, item.name).catch((error) => failed.push({ item, error }));
  if (failed.length) say(refusalOf(failed), { isProblem: true });
  refreshFiles();
}
