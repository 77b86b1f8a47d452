/* Files and folders that are dropped onto the page, or pasted. */

import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { Icon } from "../ui/icon.js";
import { say } from "../ui/toast.js";
import { bringsFiles, fromDrop, fromFiles } from "./chosen.js";
import { addFiles, arrived } from "./uploads.js";

const EDITED = "input, textarea, select, [contenteditable]";

/** The whole page takes files for as long as this is shown, and says so while they are over it. */
export function DropPlace({ folder }) {
  const [isOver, setOver] = useState(false);
  useEffect(() => watchDrops(folder, setOver), [folder]);
  return isOver && html`<div class="drop-sign" aria-hidden="true"><p><${Icon} name="upload" />${folder ? t("uploads.drop_in", { folder }) : t("uploads.drop")}</p></div>`;
}

function watchDrops(folder, setOver) {
  const over = (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    setOver(true);
  };
  const out = (event) => event.relatedTarget || setOver(false);
  const drop = (event) => {
    setOver(false);
    if (!bringsFiles(event)) return;
    event.preventDefault();
    take(event, folder);
  };
  const paste = (event) => {
    const files = event.clipboardData?.files ?? [];
    if (!files.length || event.target.closest?.(EDITED)) return;
    event.preventDefault();
    addFiles(fromFiles(files, folder));
  };
  const watched = { dragenter: over, dragover: over, dragleave: out, drop, paste };
  for (const [name, hear] of Object.entries(watched)) document.addEventListener(name, hear);
  return () => {
    for (const [name, hear] of Object.entries(watched)) document.removeEventListener(name, hear);
  };
}

async function take(event, folder) {
  const { files, folders, unreadable } = await fromDrop(event, folder);
  if (unreadable.length) say(t("uploads.unreadable", { count: unreadable.length, name: unreadable[0] }), { isProblem: true });
  if (files.length) addFiles(files);
  for (const path of folders) {
    try {
      await api("POST", "/api/folders", { json: { path } });
    } catch (error) {
      say(textOf(error), { isProblem: true });
      return;
    }
  }
  if (folders.length) arrived.set((count) => count + 1);
}
