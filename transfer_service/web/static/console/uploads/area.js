/* The part of the page of files that sends: what is under way, what was left unfinished, and the page as a place to drop.

   `<UploadArea folder=${path} />` shows it, with the inputs `Upload files` and `Upload folder` where `hasButtons` is not
   false; `UploadButtons` has those alone, for the head of a page. Watch the store `arrived` (uploads.js) to show the
   list again when something has arrived. */

import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { useStore } from "../core/store.js";
import { Button } from "../ui/button.js";
import { Dialog } from "../ui/dialog.js";
import { ProgressBar } from "../ui/progress.js";
import { say } from "../ui/toast.js";
import { UploadButtons } from "./buttons.js";
import { question } from "./conflicts.js";
import { DropPlace } from "./drop.js";
import { BUSY } from "./entries.js";
import { EntryRow, focusBeside, UnfinishedRow } from "./rows.js";
import { isOwn, queue } from "./uploads.js";
import { endUnfinished, look, unfinished } from "./unfinished.js";
import { wordsOfAll } from "./words.js";

const LOOKED_EVERY_MS = 5000;
const SHOWN = 30;

export { UploadButtons };

export function UploadArea({ folder, hasButtons = true }) {
  useStore(queue.changed);
  const { uploads, moving } = useStore(unfinished);
  const [shown, setShown] = useState(SHOWN);
  useEffect(lookOftenEnough, []);
  const entries = [...queue.recent, ...byStanding(queue.entries)];
  const left = uploads.filter((each) => !isOwn(each.upload_id) && !isBeingMade(each));
  const rows = entries.slice(0, shown);
  const leftRows = left.slice(0, Math.max(shown - rows.length, SHOWN));
  const hidden = entries.length + left.length - rows.length - leftRows.length;
  const cancel = (work) => (event) => {
    focusBeside(event.currentTarget.closest("li"));
    work();
  };
  const end = (upload) => endUnfinished(upload).catch((error) => (error.status === 404 ? look() : say(textOf(error), { isProblem: true })));
  return html`<section class="uploads" aria-label=${t("uploads.title")}>
    ${hasButtons && html`<${UploadButtons} folder=${folder} />`}
    ${queue.entries.length > 1 && html`<${All} />`}
    ${entries.length + left.length > 0 && html`<ul class="upload-list">
      ${rows.map((entry) => html`<${EntryRow} key=${entry.id} entry=${entry} onCancel=${cancel(() => queue.cancel(entry))} />`)}
      ${leftRows.map((upload) => html`<${UnfinishedRow} key=${upload.upload_id} upload=${upload} isMoving=${moving.has(upload.upload_id)}
        onCancel=${cancel(() => end(upload))} />`)}
    </ul>`}
    ${hidden > 0 && html`<${Button} kind="quiet" onClick=${() => setShown(shown + 100)}>${t("uploads.more", { count: hidden })}<//>`}
    <${DropPlace} folder=${folder} />
    <${Question} />
  </section>`;
}

/* All together: how far, and what may be done to them. */
function All() {
  const progress = queue.tally.progress(queue.entries);
  const states = new Set(queue.entries.map((each) => each.state));
  const canPause = [...states].some((each) => each !== "paused" && each !== "failed");
  const canResume = states.has("paused") || states.has("failed");
  return html`<div class="upload-all">
    <p class="upload-told"><strong>${t("uploads.title")}</strong><span class="quiet small">${wordsOfAll(progress)}</span></p>
    <div class="upload-choices">
      ${canPause && html`<${Button} kind="quiet" icon="pause" onClick=${() => queue.pauseAll()}>${t("uploads.pause_all")}<//>`}
      ${canResume && html`<${Button} kind="quiet" icon="play" onClick=${() => queue.resumeAll()}>${t("uploads.resume_all")}<//>`}
      <${Button} kind="quiet" icon="close" onClick=${() => queue.cancelAll()}>${t("uploads.cancel_all")}<//>
    </div>
    <${ProgressBar} label=${t("uploads.all")} value=${progress.sent} max=${progress.bytes} />
  </div>`;
}

/* Names that are taken: what is done, for all of them. */
function Question() {
  const asked = useStore(question);
  if (!asked) return null;
  const { taken, answer } = asked;
  return html`<${Dialog} title=${t("uploads.taken.title", { count: taken.length })} onClose=${() => answer("skip")}>
    <ul class="taken">${taken.slice(0, 5).map((name) => html`<li><bdi>${name}</bdi></li>`)}</ul>
    <p class="quiet">${t("uploads.taken.hint")}</p>
    <footer class="dialog-foot">
      <${Button} onClick=${() => answer("skip")}>${t("uploads.taken.skip")}<//>
      <${Button} onClick=${() => answer("replace")}>${t("uploads.taken.replace")}<//>
      <${Button} kind="primary" onClick=${() => answer("keep")}>${t("uploads.taken.keep")}<//>
    </footer>
  <//>`;
}

/* In the order in which they came, but what waits for its turn below all else: there may be thousands. */
function byStanding(entries) {
  const isQueued = (entry) => entry.state === "queued";
  return [...entries.filter((each) => !isQueued(each)), ...entries.filter(isQueued)];
}

/* The service tells of an upload before its maker has the answer. */
function isBeingMade({ filename, length }) {
  const isIt = (each) => BUSY.has(each.state) && !each.url && each.size === length && each.name.normalize("NFC") === filename;
  return queue.entries.some(isIt);
}

function lookOftenEnough() {
  const lookQuietly = () => document.hidden || look().catch(() => {}); // asked again soon
  lookQuietly();
  const timer = setInterval(() => unfinished.get().uploads.length && lookQuietly(), LOOKED_EVERY_MS);
  window.addEventListener("focus", lookQuietly);
  return () => {
    clearInterval(timer);
    window.removeEventListener("focus", lookQuietly);
  };
}
