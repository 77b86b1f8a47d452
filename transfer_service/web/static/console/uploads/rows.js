/* The rows of what is sent, and of what was left unfinished. */

import { html, useLayoutEffect, useRef } from "../../vendor/htm-preact.js";
import { formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { Button, IconButton } from "../ui/button.js";
import { Icon } from "../ui/icon.js";
import { ProgressBar } from "../ui/progress.js";
import { say } from "../ui/toast.js";
import { RESTING } from "./entries.js";
import { keep, replace } from "./numbered.js";
import { addFiles, arrived, queue } from "./uploads.js";
import { wordsOf } from "./words.js";

const TOGGLES = { sending: ["pause", "pause"], paused: ["resume", "play"], failed: ["retry", "refresh"] };

/** A file of the queue. */
export function EntryRow({ entry, onCancel }) {
  const { name, state, offset, size } = entry;
  const [word, icon] = TOGGLES[state] ?? TOGGLES.sending;
  const toggle = () => (RESTING.has(state) ? queue.resume(entry) : queue.pause(entry));
  const row = useRef();
  useLayoutEffect(() => {
    if (state === "done" && row.current.contains(document.activeElement)) focusBeside(row.current);
  }, [state]);
  return html`<li ref=${row} class=${`upload ${state}`}>
    <div class="upload-told"><bdi>${name}</bdi><span class="quiet small">${wordsOf(entry)}</span></div>
    <div class="upload-choices" hidden=${state === "done"}>
      <${IconButton} label=${t(`uploads.${word}`, { name })} icon=${icon} onClick=${toggle} />
      <${IconButton} label=${t("uploads.cancel", { name })} icon="close" onClick=${onCancel} />
    </div>
    <${ProgressBar} label=${name} value=${state === "done" ? size : offset} max=${size} />
  </li>`;
}

/* The same file is chosen for it, and sent under its name, whatever folder is shown. */
function GoOn({ upload: { filename: name, length } }) {
  const take = (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    if (file.size === length) addFiles([{ file, name, mustExist: true }]);
    else say(t("uploads.problems.not_same"), { isProblem: true });
  };
  const label = t("uploads.choose", { name });
  return html`<label class="icon-button file-button" title=${label}><${Icon} name="upload" /><input type="file" aria-label=${label} onChange=${take} /></label>`;
}

/** An upload that no file of this page belongs to: it was left, or comes from elsewhere. */
export function UnfinishedRow({ upload, isMoving, onCancel }) {
  const { filename: name, offset, length, protocol } = upload;
  const size = length === null ? formatSize(offset) : t("uploads.part", { sent: formatSize(offset), size: formatSize(length) });
  const how = isMoving ? "elsewhere_moving" : protocol === "tus" ? "left" : "left_elsewhere";
  return html`<li class="upload left">
    <div class="upload-told"><bdi>${name}</bdi><span class="quiet small">${t(`uploads.${how}`, { sent: size })}</span></div>
    <div class="upload-choices">${how === "left" && html`<${GoOn} upload=${upload} />`}<${IconButton} label=${t("uploads.cancel", { name })} icon="close" onClick=${onCancel} /></div>
    <${ProgressBar} label=${name} value=${length === null ? null : offset} max=${length ?? 1} />
  </li>`;
}

/** A file that arrived with a number: the old one of its name may be replaced by it. */
export function NumberedRow({ numbered }) {
  const { wanted, name } = numbered;
  const row = useRef();
  const leave = (work) => () => {
    focusBeside(row.current);
    work(numbered);
  };
  return html`<li ref=${row} class="upload numbered">
    <div class="upload-told"><bdi>${name}</bdi><span class="quiet small">${t("uploads.numbered.told", { wanted, name })}</span></div>
    <div class="upload-choices">
      <${Button} aria-label=${t("uploads.numbered.replace_name", { name: wanted })} onClick=${leave(replaceOne)}>${t("uploads.numbered.replace")}<//>
      <${IconButton} label=${t("uploads.numbered.keep_name", { name })} icon="close" onClick=${leave(keep)} />
    </div>
  </li>`;
}

/** Replace the old file, and show that in the list. What goes wrong is said. */
export async function replaceOne(numbered) {
  try {
    await replace(numbered);
  } catch (error) {
    say(textOf(error), { isProblem: true });
  }
  arrived.set((count) => count + 1);
}

/** A row goes: on to its neighbour, or to where files are chosen. */
export function focusBeside(row) {
  const neighbour = row.nextElementSibling ?? row.previousElementSibling;
  const next = neighbour?.querySelector(".upload-choices:not([hidden]) > button:last-of-type") ?? document.querySelector(".file-button input");
  (next ?? document.getElementById("main")).focus();
}
