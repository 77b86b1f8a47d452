/* A conversation as a place to drop files. */

import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { Icon } from "../ui/icon.js";
import { bringsFiles } from "../uploads/chosen.js";

/** Shown while files are dragged over the page; `onFiles(files)` gets what is dropped anywhere on it. */
export function DropPlace({ onFiles }) {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const over = (event) => {
      if (!bringsFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      setOver(true);
    };
    const leave = (event) => event.relatedTarget === null && setOver(false);
    const drop = (event) => {
      setOver(false);
      if (!bringsFiles(event) || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      const items = [...event.dataTransfer.items].filter((item) => item.kind === "file" && !item.webkitGetAsEntry?.()?.isDirectory);
      onFiles(items.map((item) => item.getAsFile()).filter(Boolean));
    };
    document.addEventListener("dragover", over);
    document.addEventListener("dragleave", leave);
    document.addEventListener("drop", drop);
    return () => {
      document.removeEventListener("dragover", over);
      document.removeEventListener("dragleave", leave);
      document.removeEventListener("drop", drop);
    };
  }, [onFiles]);
  return isOver && html`<div class="talk-drop" aria-hidden="true"><${Icon} name="attach" /><p>${t("chat.drop")}</p></div>`;
}
