/* A file, as large as the window: the picture, film, sound, document or text itself, and the way to the next one. */

import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { api, urlOf } from "../core/api.js";
import { t } from "../core/messages.js";
import { labelOf } from "../files/items.js";
import { IconButton } from "../ui/button.js";
import { Dialog } from "../ui/dialog.js";
import { Icon } from "../ui/icon.js";
import { useLoaded } from "../ui/load.js";
import { Failed, Loading } from "../ui/states.js";
import { ShareDialog } from "../links/share_dialog.js";
import { Facts } from "./facts.js";
import { kindOf } from "./kinds.js";
import { Audio, Film } from "./media.js";
import { Other } from "./other.js";
import { Pdf } from "./pdf.js";
import { Picture } from "./picture.js";
import { Text } from "./text.js";

const SHOWN = { picture: Picture, film: Film, audio: Audio, pdf: Pdf, text: Text, other: Other };
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const MADE_WITHIN_MS = 60_000;
const ASKED_AGAIN_MS = 2000;
const SWIPE_PIXELS = 60;
const OWN_ARROWS = "video, audio, input, textarea, iframe, .scrolls";

/**
 * Shows the file whose id is `shown` over the whole window. `files` (`{file_id, filename}`) are its neighbours;
 * `onShow(fileId)` hears which one is wanted. It asks the service for all else.
 */
export function Viewer({ files, shown, onShow, onClose }) {
  const [isSharing, setSharing] = useState(false);
  const [hasFacts, setFacts] = useState(false);
  const { value, error, isLoading, reload } = useLoaded((signal) => ask(shown, signal), [shown]);
  const file = value?.file_id === shown ? value : null;
  const place = files.findIndex((each) => each.file_id === shown);
  const name = labelOf(file?.filename ?? files[place]?.filename ?? t("previews.title"));
  const go = (step) => {
    const next = place < 0 ? undefined : files[place + step];
    if (next) onShow(next.file_id);
  };
  const stage = useGestures(go);
  useMadeSoon(file, reload);
  useTitle(name);
  const isWhole = file?.status === "complete";
  const Kind = file && SHOWN[kindOf(file)];
  return html`<${Dialog} kind="viewer" title=${name} onClose=${onClose} onKeyDown=${(event) => arrows(event, go)} tools=${html`<${Tools} file=${isWhole ? file : null}
      hasFacts=${hasFacts} onFacts=${() => setFacts(!hasFacts)} onShare=${() => setSharing(true)} />`}>
    <div class="viewer-body">
      <div class="viewer-stage" ref=${stage}>
        <div class="viewer-shown">${error && !isLoading ? html`<${Failed} error=${error} onRetry=${reload} problems=${{ 404: t("previews.gone") }} />`
          : !file ? html`<${Loading} />`
          : !isWhole ? html`<${Other} file=${file} text=${t("previews.unfinished")} />`
          : html`<${Kind} key=${shown} file=${file} />`}</div>
        ${place >= 0 && files.length > 1 && html`<${Ways} place=${place} count=${files.length} go=${go} />`}
      </div>
      ${hasFacts && file && html`<${Facts} file=${file} />`}
    </div>
    <p class="only-heard" role="status">${place >= 0 ? t("previews.place", { name, number: place + 1, count: files.length }) : name}</p>
    ${isSharing && html`<${ShareDialog} files=${[file]} onClose=${() => setSharing(false)} />`}
  <//>`;
}

/* An address may name anything. */
async function ask(fileId, signal) {
  if (!ID.test(fileId)) throw Object.assign(new Error(fileId), { status: 404 });
  return api("GET", `/api/files/${fileId}`, { signal });
}

function Tools({ file, hasFacts, onFacts, onShare }) {
  if (!file) return null;
  return html`<${IconButton} icon="info" label=${t("previews.facts")} aria-expanded=${hasFacts} onClick=${onFacts} />
    <${IconButton} icon="share" label=${t("previews.share")} onClick=${onShare} />
    <a class="icon-button" href=${urlOf(`/api/files/${file.file_id}/download`)} download=${labelOf(file.filename)} aria-label=${t("previews.download")}
      title=${t("previews.download")}><${Icon} name="download" /></a>`;
}

function Ways({ place, count, go }) {
  return html`<div class="viewer-way before"><${IconButton} icon="back" label=${t("previews.previous")} aria-disabled=${place === 0} onClick=${() => go(-1)} /></div>
    <div class="viewer-way after"><${IconButton} icon="forward" label=${t("previews.next")} aria-disabled=${place === count - 1} onClick=${() => go(1)} /></div>`;
}

function arrows(event, go) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const isElsewhere = event.target.closest("dialog") !== event.currentTarget;
  if (!step || isElsewhere || event.altKey || event.ctrlKey || event.metaKey || event.target.closest(OWN_ARROWS)) return;
  event.preventDefault();
  go(forwards() * step);
}

/* 1 where what comes next is on the right, -1 where it is on the left. */
function forwards() {
  return document.documentElement.dir === "rtl" ? -1 : 1;
}

/* A finger that moves sideways turns the page, unless what it moves is something larger than the window. */
function useGestures(go) {
  const stage = useRef();
  const latest = useRef(go);
  latest.current = go;
  useEffect(() => {
    const element = stage.current;
    let begun = null;
    const begin = (event) => { begun = event.touches.length === 1 && !event.target.closest(OWN_ARROWS) ? event.touches[0] : null; };
    const end = (event) => {
      const [last] = event.changedTouches;
      if (!begun || !last) return;
      const [x, y] = [last.clientX - begun.clientX, last.clientY - begun.clientY];
      if (Math.abs(x) > SWIPE_PIXELS && Math.abs(x) > 2 * Math.abs(y)) latest.current(forwards() * (x < 0 ? 1 : -1));
      begun = null;
    };
    element.addEventListener("touchstart", begin, { passive: true });
    element.addEventListener("touchend", end, { passive: true });
    return () => {
      element.removeEventListener("touchstart", begin);
      element.removeEventListener("touchend", end);
    };
  }, []);
  return stage;
}

/* What was sent a moment ago has no preview yet. Only what cannot be shown without is waited for. */
function useMadeSoon(file, reload) {
  useEffect(() => {
    const isAwaited = file && kindOf(file) === "other" && file.content_type?.startsWith("image/") && Date.now() - new Date(file.updated_at) < MADE_WITHIN_MS;
    const timer = isAwaited && setTimeout(reload, ASKED_AGAIN_MS);
    return () => clearTimeout(timer);
  }, [file]);
}

function useTitle(name) {
  useEffect(() => {
    const before = document.title;
    return () => { document.title = before; };
  }, []);
  useEffect(() => { document.title = `${name} · ${t("shell.product")}`; }, [name]);
}
