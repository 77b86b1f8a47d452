/* The questions of the list: a new folder, another name, another place. */

import { ApiError, request } from "../core/api.js";
import { html, useLayoutEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { FormDialog } from "../ui/dialog.js";
import { Field } from "../ui/field.js";
import { FolderChooser } from "./folder_chooser.js";
import { folderOf, within } from "./items.js";
import { faultOf, moveInto, problems, refusalOf, rename } from "./naming.js";

const IS_THERE = 200;

/** Make a folder in `folder`; `onDone` gets its path. */
export function NewFolderDialog({ folder, onDone, onClose }) {
  const make = async (label) => {
    const path = within(folder, label);
    const answer = await request("POST", "/api/folders", { json: { path } });
    if (answer.status === IS_THERE) throw new ApiError(409);
    onDone(await answer.json());
  };
  return html`<${NameDialog} title=${t("files.new_folder")} submit=${t("files.create")} label=${t("files.folder_name")} value="" onName=${make} onClose=${onClose} />`;
}

/** Another name for an item; `onDone` gets what it was and what it is. */
export function RenameDialog({ item, onDone, onClose }) {
  const give = async (label) => onDone(item, await rename(item, within(folderOf(item.name), label)));
  return html`<${NameDialog} title=${t("files.rename_title", { name: item.label })} submit=${t("files.rename")} label=${t("files.new_name")}
    value=${item.label} isFile=${!item.isFolder} onName=${give} onClose=${onClose} />`;
}

/* One field for a name, looked at while it is typed. */
function NameDialog({ title, submit, label, value, isFile, onName, onClose }) {
  const [typed, setTyped] = useState(value);
  const [isTouched, setTouched] = useState(false);
  const box = useRef();
  const fault = isTouched ? faultOf(typed) : "";
  useLayoutEffect(() => { // before the next key is pressed
    const input = box.current.querySelector("input");
    const dot = value.lastIndexOf(".");
    input.setSelectionRange(0, isFile && dot > 0 ? dot : value.length);
  }, []);
  const type = (event) => {
    setTyped(event.target.value);
    setTouched(true);
  };
  const send = async () => {
    setTouched(true);
    if (typed === value && value) return onName(value);
    if (!faultOf(typed)) return onName(typed.trim());
    box.current.querySelector("input").focus();
    throw new NameFault();
  };
  return html`<${FormDialog} title=${title} submit=${submit} onSubmit=${send} onClose=${onClose} problems=${{ ...problems(), fault: "" }}>
    <div ref=${box} aria-live="polite"><${Field} label=${label} value=${typed} onInput=${type} hint=${fault} aria-invalid=${Boolean(fault)} autofocus autocomplete="off" spellcheck="false" dir="auto" /></div>
  <//>`;
}

/* The field tells it. */
class NameFault extends Error {
  status = "fault";
}

/** Another folder for items; `onDone` gets pairs of what they were and what they are. */
export function MoveDialog({ items, folder, onDone, onClose }) {
  const [place, setPlace] = useState(folder);
  const [left, setLeft] = useState(items);
  const [refusal, setRefusal] = useState("");
  const isSame = left.every((item) => folderOf(item.name) === place);
  const move = async () => {
    if (isSame) return;
    const failed = await moveInto(left, place, onDone);
    if (!failed.length) return;
    setLeft(failed.map(({ item }) => item));
    setRefusal(refusalOf(failed));
    throw failed[0].error;
  };
  const title = items.length === 1 ? t("files.move_title", { name: items[0].label }) : t("files.move_several", { count: items.length });
  return html`<${FormDialog} title=${title} submit=${t("files.move_here")} onSubmit=${move} onClose=${onClose}
      problems=${{ 400: refusal, 404: refusal, 409: refusal }}>
    <${FolderChooser} place=${place} onPlace=${setPlace} without=${items.filter((item) => item.isFolder).map((item) => item.name)} />
  <//>`;
}
