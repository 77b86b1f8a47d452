/* Files and folders that are dropped onto the page, or pasted. */

import { html, useCallback, useEffect } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { t } from "../core/messages.js";
import { persist } from "../core/passing.js";
import { textOf } from "../core/problems.js";
import { useDrops } from "../ui/drops.js";
import { Icon } from "../ui/icon.js";
import { say } from "../ui/toast.js";
import { fromDrop, fromFiles } from "./chosen.js";
import { addFiles, arrived } from "./uploads.js";

const EDITED = "input, textarea, select, [contenteditable]";

/** The whole page takes files for as long as this is shown, and says so while they are over it. */
export function DropPlace({ folder }) {
  const isOver = useDrops(useCallback((event) => take(event, folder), [folder]));
  useEffect(() => watchPastes(folder), [folder]);
  return isOver && html`<div class="drop-sign" aria-hidden="true"><p><${Icon} name="upload" />${folder ? t("uploads.drop_in", { folder }) : t("uploads.drop")}</p></div>`;
}

function watchPastes(folder) {
  const paste = (event) => {
    const files = event.clipboardData?.files ?? [];
    if (!files.length || event.target.closest?.(EDITED)) return;
    event.preventDefault();
    addFiles(fromFiles(files, folder));
  };
  document.addEventListener("paste", paste);
  return () => document.removeEventListener("paste", paste);
}

async function take(event, folder) {
  const { files, folders, unreadable } = await fromDrop(event, folder);
  if (unreadable.length) say(t("uploads.unreadable", { count: unreadable.length, name: unreadable[0] }), { isProblem: true });
  if (files.length) addFiles(files);
  for (const path of folders) {
    try {
      await persist(() => api("POST", "/api/folders", { json: { path } })); // 200 where it is there
    } catch (error) {
      say(textOf(error), { isProblem: true });
      return;
    }
  }
  if (folders.length) arrived.set((count) => count + 1);
}
