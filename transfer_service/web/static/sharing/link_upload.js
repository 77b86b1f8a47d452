/* Sending files from the page of an upload link (docs/sharing.md).

   What is under way is kept in localStorage by its address, so that the same file, chosen again after a reload, goes
   on where it stands. */

import { append, cancel as cancelUpload, create, look, Refused } from "./tus.js";

const AT_ONCE = 3;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const UNITS = ["kB", "MB", "GB", "TB", "PB"];
const PASSING = new Set([0, 408, 409, 423, 429, 500, 502, 503, 504]);
const WORDS = {
  403: "This link takes no more files.",
  404: "This link does not work any more.",
  413: "There is no room for this file at this link.",
  507: "There is no room for this file right now.",
};

const section = document.getElementById("upload");
const base = section.dataset.base;
const list = section.querySelector(".uploads");
const news = section.querySelector("[role=status]");
const drop = section.querySelector(".drop");
const transfers = [];

/* One file: queued, running, waiting, paused, done, failed, cancelled, or lost: then it must be chosen again. */

async function run(transfer) {
  const stopping = new AbortController();
  const isMine = () => transfer.stopping === stopping;
  transfer.stopping = stopping;
  transfer.state = "running";
  show(transfer);
  try {
    await transfer.file.slice(0, 1).arrayBuffer();
    await send(transfer, stopping.signal);
    if (isMine() && transfer.offset === transfer.size) finish(transfer);
  } catch (problem) {
    if (isMine()) recover(transfer, problem);
  }
  next();
}

async function send(transfer, signal) {
  if (transfer.url) {
    transfer.offset = await look(transfer.url, signal);
  } else {
    await begin(transfer, signal);
  }
  const start = transfer.offset;
  if (start === transfer.size || signal.aborted) return;
  const onprogress = (loaded) => {
    transfer.failures = 0;
    transfer.offset = start + loaded;
    if (!signal.aborted) show(transfer);
  };
  transfer.offset = await append(transfer.url, start, transfer.file.slice(start), { signal, onprogress });
}

/* Whoever stops meanwhile waits for the answer: it has the address of what would take up room. */
async function begin(transfer, signal) {
  const { name, type } = transfer.file;
  const relativePath = transfer.path.includes("/") ? transfer.path : "";
  const metadata = { filename: name, filetype: type, relativePath };
  transfer.creation ??= create(base, transfer.size, metadata).finally(() => { transfer.creation = null; });
  transfer.url = await transfer.creation;
  transfer.offset = 0;
  if (transfer.state === "cancelled") cancelUpload(transfer.url).catch(() => {});
  remember();
  if (signal.aborted) show(transfer);
}

function finish(transfer) {
  transfer.state = "done";
  show(transfer);
  remember();
  say(`${transfer.path} was sent.`);
}

function recover(transfer, problem) {
  const status = problem instanceof Refused ? problem.status : null;
  if ([404, 410].includes(status) && transfer.url && !transfer.isNew) {
    transfer.isNew = true; // the upload is gone; whether its link is too, the next request will tell
    transfer.url = null;
    transfer.state = "queued";
  } else if (PASSING.has(status)) {
    wait(transfer, problem.pause);
  } else {
    fail(transfer, wordFor(status, problem.message));
  }
  show(transfer);
  remember();
}

function wordFor(status, message) {
  if (status === null) return "It cannot be read any more. Choose it again.";
  if (message === "Password required") return "Open this page again and enter the password.";
  return WORDS[status] || message || "It could not be sent.";
}

function fail(transfer, word) {
  transfer.state = "failed";
  transfer.word = word;
  say(`${transfer.path} was not sent. ${word}`);
}

function wait(transfer, pause) {
  const grown = FIRST_PAUSE_MS * 2 ** transfer.failures;
  transfer.failures += 1;
  transfer.state = "waiting";
  transfer.timer = setTimeout(() => queue(transfer), Math.max(pause, Math.min(grown, LONGEST_PAUSE_MS)));
}

function queue(transfer) {
  clearTimeout(transfer.timer);
  transfer.state = "queued";
  show(transfer);
  next();
}

function next() {
  const running = transfers.filter((each) => each.state === "running").length;
  const queued = transfers.filter((each) => each.state === "queued");
  for (const transfer of queued.slice(0, Math.max(0, AT_ONCE - running))) run(transfer);
}

function stop(transfer, state) {
  clearTimeout(transfer.timer);
  transfer.state = state;
  transfer.stopping?.abort();
  transfer.stopping = null;
  show(transfer);
  remember();
}

function toggle(transfer) {
  if (["paused", "failed"].includes(transfer.state)) {
    transfer.isNew = false;
    transfer.failures = 0;
    queue(transfer);
  } else {
    stop(transfer, "paused");
    next();
  }
}

function cancel(transfer) {
  const url = transfer.state === "done" ? null : transfer.url;
  stop(transfer, "cancelled");
  const place = transfers.indexOf(transfer);
  transfers.splice(place, 1);
  transfer.row.remove();
  list.hidden = transfers.length === 0;
  const neighbour = transfers[Math.min(place, transfers.length - 1)];
  (neighbour ? neighbour.cancel : section.querySelector("input")).focus();
  remember();
  if (url) cancelUpload(url).catch(() => {}); // or it expires
  next();
}

/* What is kept for a reload. */

const key = `uploads of ${base}`;

function remember() {
  const kept = transfers.filter((each) => each.url && each.state !== "done" && each.state !== "cancelled");
  const told = kept.map(({ path, size, modified, url, offset }) => ({ path, size, modified, url, offset }));
  try {
    if (told.length) localStorage.setItem(key, JSON.stringify(told));
    else localStorage.removeItem(key);
  } catch {
    // The browser keeps nothing for this page: then nothing goes on after a reload.
  }
}

function recall() {
  let kept = [];
  try {
    kept = JSON.parse(localStorage.getItem(key)) || [];
  } catch {
    return;
  }
  for (const each of kept) {
    if (each.url.startsWith(`${base}/`)) show(add({ ...each, state: "lost" }));
  }
}

/* What people see and do. */

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

function say(text) {
  news.textContent = text;
}

function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...children);
  return element;
}

function add(known) {
  const transfer = { failures: 0, isNew: false, url: null, creation: null, offset: 0, file: null, word: "", ...known };
  const name = make("bdi", { class: "name" }, transfer.path);
  transfer.told = make("span", { class: "size" });
  transfer.bar = make("progress", { "aria-label": transfer.path, max: String(transfer.size || 1), value: "0" });
  transfer.toggle = make("button", { type: "button", class: "plain" });
  transfer.toggle.addEventListener("click", () => toggle(transfer));
  transfer.cancel = make("button", { type: "button", class: "plain" });
  transfer.cancel.addEventListener("click", () => cancel(transfer));
  const buttons = make("span", { class: "choices" }, transfer.toggle, transfer.cancel);
  transfer.row = make("li", {}, make("span", { class: "about" }, name, transfer.told), buttons, transfer.bar);
  list.append(transfer.row);
  list.hidden = false;
  transfers.push(transfer);
  return transfer;
}

function show(transfer) {
  const { state, path, offset, size } = transfer;
  const sent = `${formatSize(offset)} of ${formatSize(size)}`;
  const words = {
    queued: `Waits for its turn, ${formatSize(size)}`,
    running: sent,
    waiting: `${sent}. Waiting for the network`,
    paused: `${sent}. Paused`,
    done: `${formatSize(size)}, sent`,
    failed: transfer.word,
    lost: `${sent}. Choose this file again to go on`,
  };
  transfer.row.dataset.state = state;
  transfer.told.textContent = words[state] || "";
  transfer.bar.value = state === "done" ? transfer.bar.max : offset;
  const canGoOn = state === "paused" || state === "failed";
  label(transfer.toggle, canGoOn ? "Resume" : "Pause", path);
  label(transfer.cancel, state === "done" ? "Hide" : "Cancel", path);
  const isOver = state === "done" || state === "lost";
  if (isOver && document.activeElement === transfer.toggle) transfer.cancel.focus();
  transfer.toggle.hidden = isOver;
}

function label(button, word, path) {
  button.textContent = word;
  button.setAttribute("aria-label", `${word} ${path}`);
}

function take(file, path) {
  const isSame = (each) => each.path === path && each.size === file.size && each.modified === file.lastModified;
  const known = transfers.find((each) => isSame(each) && each.state !== "done");
  if (known && !["lost", "failed"].includes(known.state)) return;
  const found = known || add({ path, size: file.size, modified: file.lastModified });
  found.file = file;
  queue(found);
}

function takeAll(files) {
  for (const file of files) take(file, file.webkitRelativePath || file.name);
}

async function takeEntry(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    take(file, entry.fullPath.replace(/^\//, ""));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const each of some) await takeEntry(each);
  }
}

for (const input of section.querySelectorAll("input[type=file]")) {
  input.addEventListener("change", () => {
    takeAll(input.files);
    input.value = "";
  });
}
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
  for (const entry of entries.filter(Boolean)) {
    takeEntry(entry).catch(() => say(`${entry.name} could not be read.`));
  }
});
window.addEventListener("online", () => transfers.filter((each) => each.state === "waiting").forEach(queue));
window.addEventListener("beforeunload", (event) => {
  if (transfers.some((each) => ["running", "queued", "waiting"].includes(each.state))) event.preventDefault();
});

drop.hidden = false;
recall();
