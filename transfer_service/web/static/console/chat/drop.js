/* A conversation as a place to drop files. */

import { html, useCallback } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { useDrops } from "../ui/drops.js";
import { Icon } from "../ui/icon.js";

/** Shown while files are dragged over the page; `onFiles(files)` gets what is dropped anywhere on it. */
export function DropPlace({ onFiles }) {
  const isOver = useDrops(useCallback((event) => onFiles(filesOf(event)), [onFiles]));
  return isOver && html`<div class="talk-drop" aria-hidden="true"><${Icon} name="attach" /><p>${t("chat.drop")}</p></div>`;
}

function filesOf(event) {
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file" && !item.webkitGetAsEntry?.()?.isDirectory);
  return items.map((item) => item.getAsFile()).filter(Boolean);
}
