/* Sending files from the page of an upload link (docs/sharing.md), by the engine of the console.

   Who sends here sees no list of what is unfinished: the browser keeps it, by the address of the upload, so that the same
   file, chosen again after a reload, goes on where it stands. */

import { loadMessages, t } from "../console/core/messages.js";
import { bringsFiles } from "../console/ui/drops.js";
import { fromDrop, fromFiles } from "../console/uploads/chosen.js";
import { Queue } from "../console/uploads/queue.js";
import { html, render } from "../vendor/htm-preact.js";
import { kept, keep } from "./kept_uploads.js";
import { Row, wordFor } from "./link_rows.js";

const KEPT_EVERY_MS = 1000;

const section = document.getElementById("upload");
const base = section.dataset.base;
const list = section.querySelector(".uploads");
const news = section.querySelector("[role=status]");
const drop = section.querySelector(".drop");
let rows = kept(base).map((each) => ({ ...each, id: each.url, state: "lost" }));
let keptAt = 0;
const drawn = new WeakMap();

const door = {
  endpoint: new URL(base, window.location.href).href,
  beginsAnew: true, // whether the upload has gone or the link, the next request tells
  beginsEmpty: true, // a file whose answer was lost cannot be found here, and would be sent twice
  headers: () => ({}),
  renew: async () => false,

  metadataOf({ file, name, fingerprint }) {
    const known = { filename: file.name, filetype: file.type, relativePath: name.includes("/") ? name : "", fingerprint };
    return Object.fromEntries(Object.entries(known).filter(([, value]) => value));
  },

  async find(entry) {
    const isIt = (row) => row.state === "lost" && row.name === entry.name && row.fingerprint === entry.fingerprint;
    const found = rows.find(isIt);
    if (!found) return null;
    rows = rows.filter((row) => row !== entry).map((row) => (row === found ? entry : row)); // in its place
    return { url: found.url, offset: found.offset };
  },

  made: remember,
  left: remember,

  end: (url) => fetch(url, { method: "DELETE", headers: { "Tus-Resumable": "1.0.0" } }).catch(() => {}), // or it expires
};

const queue = new Queue(door);

function remember() {
  keptAt = performance.now();
  keep(base, [...rows.filter((row) => row.state === "lost"), ...queue.entries.filter((each) => each.url)]);
}

function take(wanted) {
  for (const entry of queue.add(wanted)) rows.push(entry);
  show();
}

function remove(row) {
  const place = rows.indexOf(row);
  rows = rows.filter((each) => each !== row);
  if (row.state === "lost") door.end(row.url);
  else if (row.state !== "done") queue.cancel(row);
  remember();
  show();
  const neighbour = list.children[Math.min(place, rows.length - 1)];
  (neighbour ? neighbour.querySelector("button:last-of-type") : section.querySelector("input")).focus();
}

function show() {
  rows = rows.filter((row) => row.state !== "cancelled");
  list.hidden = rows.length === 0;
  render(html`${rows.map(draw)}`, list);
}

/* There may be thousands, of which few change: what is the same element as before is not looked at again. */
function draw(row) {
  const looks = `${row.state} ${row.offset} ${row.problem}`;
  if (drawn.get(row)?.looks !== looks) {
    drawn.set(row, { looks, element: html`<${Row} key=${row.id} row=${row} queue=${queue} onRemove=${() => remove(row)} />` });
  }
  return drawn.get(row).element;
}

/* What arrived or was refused, once for each. */
const told = new WeakMap();

queue.changed.watch(() => {
  show();
  if (performance.now() - keptAt > KEPT_EVERY_MS && queue.isActive) remember();
  for (const row of rows) {
    if (told.get(row) === row.state) continue;
    told.set(row, row.state);
    if (row.state === "done") news.textContent = t("shared.upload.was_sent", { name: row.name });
    if (row.state === "failed") news.textContent = t("shared.upload.not_sent", { name: row.name, why: wordFor(row) });
  }
});

for (const input of section.querySelectorAll("input[type=file]")) {
  input.addEventListener("change", () => {
    take(fromFiles(input.files, ""));
    input.value = "";
  });
}
document.addEventListener("dragover", (event) => {
  if (!bringsFiles(event)) return;
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", async (event) => {
  if (!bringsFiles(event)) return;
  event.preventDefault();
  drop.classList.remove("over");
  const { files, unreadable } = await fromDrop(event, "");
  if (unreadable.length) news.textContent = t("shared.upload.not_read", { name: unreadable[0] });
  take(files);
});
window.addEventListener("online", () => queue.wake());
window.addEventListener("pagehide", () => queue.entries.length && remember());
window.addEventListener("beforeunload", (event) => {
  if (queue.isActive) event.preventDefault();
});

await loadMessages();
drop.hidden = false;
show();
