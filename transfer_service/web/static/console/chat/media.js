/* What is attached to a message: pictures by their previews, films and sounds by a player, all else by name. */

import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { BASE } from "../core/page.js";
import { formatPosition, formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { useFetched } from "../ui/fetched.js";
import { Icon } from "../ui/icon.js";
import { decode } from "./blurhash.js";

const BOX = 320;
const LEAST = 96;
const SMALL_BYTES = 10 * 1000 * 1000;
const BLUR = 24;

/** The attachment of a message; `onOpen(message)` shows a picture or film large. */
export function Media({ message, onOpen }) {
  const { media, type } = message;
  const isPicture = type === "image";
  if (type === "video" && canPlay(media)) return html`<${Film} message=${message} />`;
  if (media.thumbnail_url && media.width) return html`<${Preview} message=${message} onOpen=${onOpen} />`;
  if (isPicture && media.size <= SMALL_BYTES && !isAwaited(message)) return html`<${Picture} message=${message} onOpen=${onOpen} />`;
  if (isPicture || type === "video") return html`<${Waiting} message=${message} onOpen=${onOpen} />`;
  if (media.content_type.startsWith("audio/")) {
    return html`<${File} message=${message} icon="audio" /><audio class="sound" controls preload="none" src=${BASE + message.media_url} aria-label=${media.name}></audio>`;
  }
  return html`<${File} message=${message} icon=${iconOf(media)} />`;
}

function iconOf({ content_type: type }) {
  if (type.startsWith("text/") || type === "application/pdf") return "text";
  return /zip|tar|compressed|rar/.test(type) ? "archive" : "file";
}

const player = document.createElement("video");

function canPlay({ content_type: type }) {
  return Boolean(player.canPlayType(type));
}

/* A preview is made within seconds; the service would be asked in vain before. */
function isAwaited({ media, created_at: at }) {
  return media.thumbnail_url && Date.now() - Date.parse(at) < 60_000;
}

/* The size at which something of that size is shown: its place is kept before it is there. */
function boxOf(width, height) {
  const scale = Math.min(1, BOX / width, BOX / height);
  return { width: Math.max(LEAST, Math.round(width * scale)), height: Math.max(LEAST / 2, Math.round(height * scale)) };
}

function Preview({ message, onOpen }) {
  const { media, type } = message;
  const [isThere, setThere] = useState(false);
  const { turn, onError } = useFetched(media.thumbnail_url);
  const { width, height } = boxOf(media.width, media.height);
  const style = { width: `${width}px`, aspectRatio: `${width} / ${height}` };
  return html`<a class="shot" href=${BASE + message.media_url} style=${style} onClick=${(event) => open(event, message, onOpen)}>
    ${!isThere && html`<${Blur} hash=${media.blurhash} />`}
    <img key=${turn} src=${BASE + media.thumbnail_url} onError=${onError} width=${width} height=${height} alt=${nameOf(message)} loading="lazy" decoding="async" class=${isThere ? "there" : ""} onLoad=${() => setThere(true)} />
    ${type === "video" && html`<span class="play"><${Icon} name="play" /></span>${media.duration !== null && html`<span class="length">${formatPosition(media.duration)}</span>`}`}
  </a>`;
}

/* The same player before and after the preview is made: what plays goes on. */
function Film({ message }) {
  const { media } = message;
  const { turn, onError, onLoad } = useFetched(message.media_url);
  const size = media.width && boxOf(media.width, media.height);
  const style = size && { width: `${size.width}px`, aspectRatio: `${size.width} / ${size.height}` };
  const poster = size && media.thumbnail_url ? BASE + media.thumbnail_url : undefined;
  return html`<div class=${`shot film ${size ? "" : "unknown"}`} style=${style}>
    <video key=${turn} onError=${onError} onLoadedData=${onLoad} controls playsinline preload=${poster ? "none" : "metadata"} poster=${poster} src=${BASE + message.media_url} aria-label=${nameOf(message)}></video>
  </div>`;
}

function Picture({ message, onOpen }) {
  const { turn, onError } = useFetched(message.media_url);
  return html`<a class="shot unknown" href=${BASE + message.media_url} onClick=${(event) => open(event, message, onOpen)}>
    <img key=${turn} onError=${onError} src=${BASE + message.media_url} alt=${nameOf(message)} loading="lazy" decoding="async" class="there" />
  </a>`;
}

/* No preview, or not yet: its name, and a way to see it. */
function Waiting({ message, onOpen }) {
  return html`<${File} message=${message} icon=${message.type === "image" ? "picture" : "film"} onOpen=${onOpen} />`;
}

function nameOf({ type, media }) {
  return t(type === "video" ? "chat.film" : "chat.picture", { name: media.name });
}

function open(event, message, onOpen) {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  onOpen(message);
}

function File({ message, icon, onOpen }) {
  const { media } = message;
  const more = onOpen ? { onClick: (event) => open(event, message, onOpen) } : { download: media.name };
  return html`<a class="attached" href=${BASE + message.media_url} ...${more}>
    <span class="kind"><${Icon} name=${icon} /></span>
    <span class="grow"><bdi class="talk-name">${media.name}</bdi><small class="quiet">${formatSize(media.size)}</small></span>
    <${Icon} name=${onOpen ? "fullscreen" : "download"} />
  </a>`;
}

function Blur({ hash }) {
  const canvas = useRef();
  useEffect(() => {
    const pixels = hash && decode(hash, BLUR, BLUR);
    if (pixels) canvas.current.getContext("2d").putImageData(new ImageData(pixels, BLUR, BLUR), 0, 0);
  }, [hash]);
  return html`<canvas ref=${canvas} width=${BLUR} height=${BLUR} aria-hidden="true"></canvas>`;
}
