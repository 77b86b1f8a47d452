/* The part of the page of files that sends: what is under way, what was left unfinished, and the page as a place to drop.

   `<UploadArea folder=${path} />` shows it, with the inputs `Upload files` and `Upload folder` where `hasButtons` is not
   false; `UploadButtons` has those alone, for the head of a page. Watch the store `arrived` (uploads.js) to show the
   list again when something has arrived. */

import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { afterFault } from "../core/passing.js";
import { textOf } from "../core/problems.js";
import { useStore } from "../core/store.js";
import { Button } from "../ui/button.js";
import { ProgressBar } from "../ui/progress.js";
import { say } from "../ui/toast.js";
import { UploadButtons } from "./buttons.js";
import { DropPlace } from "./drop.js";
import { BUSY } from "./entries.js";
import { keep, numbered } from "./numbered.js";
import { EntryRow, focusBeside, NumberedRow, replaceOne, UnfinishedRow } from "./rows.js";
import { isOwn, queue, recent } from "./uploads.js";
import { endUnfinished, look, unfinished } from "./unfinished.js";
import { wordsOfAll } from "./words.js";

const LOOKED_EVERY_MS = 5000;
const SHOWN = 30;

export { UploadButtons };

export function UploadArea({ folder, hasButtons = true }) {
  useStore(queue.changed);
  const { uploads, moving } = useStore(unfinished);
  const renamed = useStore(numbered);
  const [shown, setShown] = useState(SHOWN);
  useEffect(lookOftenEnough, []);
  const isTold = (entry) => renamed.some(({ fileId }) => fileId === entry.fileId);
  const entries = [...recent.filter((each) => !isTold(each)), ...byStanding(queue.entries)];
  const left = uploads.filter((each) => !isOwn(each.upload_id) && !isBeingMade(each));
  const rows = entries.slice(0, shown);
  const leftRows = left.slice(0, Math.max(shown - rows.length, SHOWN));
  const hidden = entries.length + left.length - rows.length - leftRows.length + Math.max(renamed.length - shown, 0);
  const cancel = (work) => (event) => {
    focusBeside(event.currentTarget.closest("li"));
    work();
  };
  const end = (upload) => endUnfinished(upload).catch((error) => (error.status === 404 ? look() : say(textOf(error), { isProblem: true })));
  return html`<section class="uploads" aria-label=${t("uploads.title")}>
    ${hasButtons && html`<${UploadButtons} folder=${folder} />`}
    ${queue.entries.length > 1 && html`<${All} />`}
    ${renamed.length > 1 && html`<${NumberedAll} all=${renamed} />`}
    ${entries.length + left.length + renamed.length > 0 && html`<ul class="upload-list">
      ${rows.map((entry) => html`<${EntryRow} key=${entry.id} entry=${entry} onCancel=${cancel(() => queue.cancel(entry))} />`)}
      ${leftRows.map((upload) => html`<${UnfinishedRow} key=${upload.upload_id} upload=${upload} isMoving=${moving.has(upload.upload_id)}
        onCancel=${cancel(() => end(upload))} />`)}
      ${renamed.slice(0, shown).map((each) => html`<${NumberedRow} key=${each.fileId} numbered=${each} />`)}
    </ul>`}
    ${hidden > 0 && html`<${Button} kind="quiet" onClick=${() => setShown(shown + 100)}>${t("uploads.more", { count: hidden })}<//>`}
    <${DropPlace} folder=${folder} />
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

/* Names that were taken: all at once, where there are several. */
function NumberedAll({ all }) {
  const replaceAll = async () => {
    for (const each of all) await replaceOne(each);
  };
  return html`<div class="upload-all">
    <p class="upload-told">${t("uploads.numbered.count", { count: all.length })}</p>
    <div class="upload-choices">
      <${Button} kind="quiet" icon="refresh" onClick=${replaceAll}>${t("uploads.numbered.replace_all")}<//>
      <${Button} kind="quiet" icon="close" onClick=${() => all.forEach(keep)}>${t("uploads.numbered.keep_all")}<//>
    </div>
  </div>`;
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
  const ending = new AbortController();
  const begin = (failures) => look().catch((error) => afterFault(error, { failures, again: () => begin(failures + 1), signal: ending.signal }));
  const lookQuietly = () => document.hidden || look().catch(() => {}); // asked again soon
  begin(0);
  const timer = setInterval(() => unfinished.get().uploads.length && lookQuietly(), LOOKED_EVERY_MS);
  window.addEventListener("focus", lookQuietly);
  return () => {
    ending.abort();
    clearInterval(timer);
    window.removeEventListener("focus", lookQuietly);
  };
}
