/* Rows are dragged onto folders to move them there. What comes from outside of the page are uploads, not these. */

import { useRef } from "../../vendor/htm-preact.js";

const KIND = "application/x-transfer-items";
let dragged = [];

/** Attributes for the list (`whole`) and its rows (`of`): what is selected is dragged together. */
export function useDragging({ selection, actions }) {
  const over = useRef(null);
  const mark = (element) => {
    over.current?.classList.remove("drop-here");
    over.current = element;
    element?.classList.add("drop-here");
  };
  const start = (item) => (event) => {
    dragged = selection.chosen.has(item.key) ? [...selection.chosen.values()] : [item];
    event.dataTransfer.setData(KIND, "");
    event.dataTransfer.effectAllowed = "move";
  };
  const whole = {
    onDragEnd: () => {
      dragged = [];
      mark(null);
    },
  };
  const of = (item) => ({ draggable: true, onDragStart: start(item), ...(item.isFolder && dropAttributes(item.name, actions, mark)) });
  return { whole, of };
}

/** Attributes of what stands for a folder. `mark` shows which it would be. */
export function dropAttributes(path, actions, mark) {
  const mayDrop = (event) => event.dataTransfer.types.includes(KIND) && !dragged.some((item) => item.isFolder && item.name === path);
  return {
    onDragOver: (event) => {
      if (!mayDrop(event)) return;
      event.preventDefault();
      mark(event.currentTarget);
    },
    onDragLeave: (event) => event.currentTarget.contains(event.relatedTarget) || mark(null),
    onDrop: (event) => {
      if (!mayDrop(event)) return;
      event.preventDefault();
      event.stopPropagation();
      mark(null);
      actions.moveTo(dragged, path);
    },
  };
}
