/* The rows of the page of an upload link: one for each file, with what it may be told. */

import { html, useLayoutEffect, useRef } from "../vendor/htm-preact.js";

const UNITS = ["kB", "MB", "GB", "TB", "PB"];
const RUNNING = new Set(["checking", "sending"]);
const WORDS = {
  forbidden: "This link takes no more files.",
  gone: "This link does not work any more.",
  quota: "There is no room for this file at this link.",
  too_large: "There is no room for this file at this link.",
  link_room: "There is no room for this file at this link.",
  full: "There is no room for this file right now.",
  unreadable: "It cannot be read any more. Choose it again.",
};

/** Why a file was not sent. */
export function wordFor({ problem, detail }) {
  if (detail === "Password required") return "Open this page again and enter the password.";
  return WORDS[problem] || detail || "It could not be sent.";
}

function formatSize(size) {
  if (size < 1000) return `${size} byte${size === 1 ? "" : "s"}`;
  let value = size;
  let unit = -1;
  while (value >= 999.95 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(1)} ${UNITS[unit]}`;
}

function wordsOf(row, state) {
  const sent = `${formatSize(row.offset)} of ${formatSize(row.size)}`;
  const words = {
    queued: `Waits for its turn, ${formatSize(row.size)}`,
    running: sent,
    waiting: `${sent}. Waiting for the network`,
    paused: `${sent}. Paused`,
    done: `${formatSize(row.size)}, sent`,
    failed: wordFor(row),
    lost: `${sent}. Choose this file again to go on`,
  };
  return words[state];
}

/** A file: one of the queue, or one of an earlier visit, whose state is `lost`. */
export function Row({ row, queue, onRemove }) {
  const { name, offset, size } = row;
  const state = RUNNING.has(row.state) ? "running" : row.state;
  const toggle = useRef();
  const remove = useRef();
  const isOver = state === "done" || state === "lost";
  const canGoOn = state === "paused" || state === "failed";
  useLayoutEffect(() => {
    if (isOver && document.activeElement === toggle.current) remove.current.focus();
  }, [isOver]);
  const act = () => (canGoOn ? queue.resume(row) : queue.pause(row));
  const word = canGoOn ? "Resume" : "Pause";
  const last = state === "done" ? "Hide" : "Cancel";
  return html`<li data-state=${state}>
    <span class="about"><bdi class="name">${name}</bdi><span class="size">${wordsOf(row, state)}</span></span>
    <span class="choices">
      <button ref=${toggle} type="button" class="plain" hidden=${isOver} aria-label=${`${word} ${name}`} onClick=${act}>${word}</button>
      <button ref=${remove} type="button" class="plain" aria-label=${`${last} ${name}`} onClick=${onRemove}>${last}</button>
    </span>
    <progress aria-label=${name} max=${size || 1} value=${state === "done" ? size || 1 : offset}></progress>
  </li>`;
}
