/* Rows are dragged onto folders to move them there. What comes from outside of the page are uploads, not these. */

import { moveItems } from "./actions.js";

const KIND = "application/x-transfer-items";
let dragged = [];
let marked = null;

/** Attributes of a row: what is selected is dragged together. */
export function dragAttributes(item, chosen) {
  const onDragStart = (event) => {
    dragged = chosen.has(item.key) ? [...chosen.values()] : [item];
    event.dataTransfer.setData(KIND, "");
    event.dataTransfer.effectAllowed = "move";
  };
  const onDragEnd = () => {
    dragged = [];
    mark(null);
  };
  return { draggable: true, onDragStart, onDragEnd };
}

/** Attributes of what stands for the folder `path`; empty for the top. */
export function dropAttributes(path) {
  const mayDrop = (event) => event.dataTransfer.types.includes(KIND) && !dragged.some((item) => item.isFolder && item.name === path);
  const onDragOver = (event) => {
    if (!mayDrop(event)) return;
    event.preventDefault();
    mark(event.currentTarget);
  };
  const onDragLeave = (event) => event.currentTarget.contains(event.relatedTarget) || mark(null);
  const onDrop = (event) => {
    if (!mayDrop(event)) return;
    event.preventDefault();
    event.stopPropagation();
    mark(null);
    moveItems(dragged, path);
  };
  return { onDragOver, onDragLeave, onDrop };
}

/* Where it would go. */
function mark(element) {
  marked?.classList.remove("drop-here");
  marked = element;
  element?.classList.add("drop-here");
}
