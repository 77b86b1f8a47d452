/* Films and sounds. The browser asks for the parts that it plays: so one can go to any place in them. */

import { html, useRef } from "../../vendor/htm-preact.js";
import { urlOf } from "../core/api.js";
import { t } from "../core/messages.js";
import { labelOf } from "../files/items.js";
import { useFetched } from "../ui/fetched.js";
import { Icon } from "../ui/icon.js";
import { Other } from "./other.js";

export function Film({ file }) {
  const { isBroken, turn, ...player } = usePlayer(file);
  const poster = file.width === null ? undefined : urlOf(`/api/files/${file.file_id}/thumbnail`, { size: 1280 });
  if (isBroken) return html`<${Other} file=${file} picture=${poster} text=${t("previews.cannot_play")} />`;
  return html`<video key=${turn} class="viewer-film" controls playsinline preload="metadata" poster=${poster} width=${file.width ?? undefined}
    height=${file.height ?? undefined} ...${player}></video>`;
}

export function Audio({ file }) {
  const { isBroken, turn, ...player } = usePlayer(file);
  if (isBroken) return html`<${Other} file=${file} text=${t("previews.cannot_play")} />`;
  return html`<div class="viewer-sound"><${Icon} name="audio" />
    <audio key=${turn} controls preload="metadata" ...${player}></audio></div>`;
}

/* What is fetched anew goes on where it was. */
function usePlayer(file) {
  const path = `/api/files/${file.file_id}/download`;
  const { turn, isBroken, onError, onLoad } = useFetched(path);
  const last = useRef({ time: 0, isPlaying: false });
  const note = ({ target }) => { last.current = { time: target.currentTime, isPlaying: !target.paused }; };
  const goOn = ({ target }) => {
    const { time, isPlaying } = last.current;
    if (time) target.currentTime = time;
    if (time && isPlaying) target.play().catch(() => {}); // somebody presses the button
  };
  return { turn, isBroken, src: urlOf(path), "aria-label": labelOf(file.filename), onError, onLoadedData: onLoad, onLoadedMetadata: goOn, onTimeUpdate: note, onPause: note };
}
