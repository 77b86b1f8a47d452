/* Files that are dragged onto the page from outside. */

import { useEffect, useState } from "../../vendor/htm-preact.js";

/** Whether a drag brings files, and no text or link. */
export function bringsFiles(event) {
  return [...(event.dataTransfer?.types ?? [])].includes("Files");
}

/** The whole page takes files while no dialog is open: `onDrop(event)` hears of them. Gives whether some are over it. */
export function useDrops(onDrop) {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const over = (event) => {
      const isTaken = mayTake(event);
      setOver(isTaken);
      if (!isTaken) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
    };
    const leave = (event) => event.relatedTarget || setOver(false);
    const drop = (event) => {
      setOver(false);
      if (!mayTake(event)) return;
      event.preventDefault();
      onDrop(event);
    };
    const heard = { dragenter: over, dragover: over, dragleave: leave, drop };
    for (const [name, hear] of Object.entries(heard)) document.addEventListener(name, hear);
    return () => {
      for (const [name, hear] of Object.entries(heard)) document.removeEventListener(name, hear);
    };
  }, [onDrop]);
  return isOver;
}

function mayTake(event) {
  return bringsFiles(event) && !document.querySelector("dialog[open]");
}
