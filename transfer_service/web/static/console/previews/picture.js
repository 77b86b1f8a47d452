/* A picture: its preview at once, then the picture itself where browsers can show it; larger and smaller. */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { urlOf } from "../core/api.js";
import { t } from "../core/messages.js";
import { labelOf } from "../files/items.js";
import { LANGUAGE } from "../core/page.js";
import { IconButton } from "../ui/button.js";
import { useFetched } from "../ui/fetched.js";
import { isShownByBrowsers } from "./kinds.js";
import { Other } from "./other.js";

const STEP = 1.5;
const MOST = STEP ** 6;
const percents = new Intl.NumberFormat(LANGUAGE, { style: "percent" });

export function Picture({ file }) {
  const [zoom, setZoom] = useState(1);
  const source = useSource(file);
  const { turn, isBroken, onError, onLoad } = useFetched(source);
  const [size, setSize] = useState({ width: file.width, height: file.height });
  const place = useMiddle(zoom);
  const measure = ({ target }) => {
    onLoad();
    if (!size.width) setSize({ width: target.naturalWidth, height: target.naturalHeight });
  };
  const change = (next) => setZoom(Math.min(MOST, Math.max(1, next)));
  if (isBroken || !source) return html`<${Other} file=${file} text=${t("previews.no_preview")} />`;
  return html`<div ref=${place} class=${zoom > 1 ? "viewer-picture scrolls" : "viewer-picture"} tabindex=${zoom > 1 ? 0 : undefined} role="group" aria-label=${t("previews.title")}>
      <img key=${turn} src=${urlOf(source)} alt=${labelOf(file.filename)} style=${styleOf(size, zoom)} decoding="async" draggable=${false}
        onLoad=${measure} onError=${onError} onDblClick=${() => change(zoom > 1 ? 1 : STEP ** 2)} />
    </div>
    <div class="viewer-zoom" role="group" aria-label=${t("previews.zoom")}>
      <${IconButton} icon="minus" label=${t("previews.smaller")} aria-disabled=${zoom === 1} onClick=${() => change(zoom / STEP)} />
      <output>${percents.format(zoom)}</output>
      <${IconButton} icon="plus" label=${t("previews.larger")} aria-disabled=${zoom === MOST} onClick=${() => change(zoom * STEP)} />
    </div>`;
}

/* Where it is: the preview is there at once, the picture itself takes its place when it has come. */
function useSource(file) {
  const preview = file.width === null ? null : `/api/files/${file.file_id}/thumbnail?size=1280`;
  const original = isShownByBrowsers(file) ? `/api/files/${file.file_id}/download` : null;
  const [source, setSource] = useState(preview ?? original);
  useEffect(() => {
    if (!preview || !original) return undefined;
    const image = new Image();
    image.onload = () => setSource(original);
    image.src = urlOf(original);
    return () => {
      image.onload = null;
      image.src = "";
    };
  }, []);
  return source;
}

/* As large as the window lets it be, times the zoom; sizes that begin with cq are those of the stage. */
function styleOf({ width, height }, zoom) {
  if (!width) return {};
  const fitted = `min(100cqw, ${width}px, ${width / height} * 100cqh)`;
  return { width: `calc(${zoom} * ${fitted})`, aspectRatio: `${width} / ${height}` };
}

/* What was in the middle stays there while the picture grows. */
function useMiddle(zoom) {
  const place = useRef();
  const before = useRef(1);
  useLayoutEffect(() => {
    const element = place.current;
    if (!element) return;
    const grown = zoom / before.current;
    before.current = zoom;
    element.scrollLeft = (element.scrollLeft + element.clientWidth / 2) * grown - element.clientWidth / 2;
    element.scrollTop = (element.scrollTop + element.clientHeight / 2) * grown - element.clientHeight / 2;
  }, [zoom]);
  return place;
}
