/* The picture or symbol at the beginning of a row. */

import { api, urlOf } from "../core/api.js";
import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { Icon } from "../ui/icon.js";
import { iconOf } from "./items.js";

const LOOKED_AT_MS = 150;
const MADE_WITHIN_MS = 60_000;
const ASKED_AGAIN_MS = 3000;
const KEPT = 5000;

/* Whether a file has a preview: its address, or "" where there is none. */
const known = new Map();

/** A small picture of it where there is one; only what is looked at is asked for. */
export function Thumbnail({ item }) {
  const mayHave = item.isWhole && (item.type?.startsWith("image/") || item.type?.startsWith("video/"));
  const [url, setUrl] = useState(() => known.get(item.id) ?? "");
  useEffect(() => {
    if (!mayHave || known.has(item.id)) return setUrl(known.get(item.id) ?? "");
    const ending = new AbortController();
    let timer = setTimeout(look, LOOKED_AT_MS);
    async function look() {
      const found = await find(item, ending.signal).catch(() => "");
      if (ending.signal.aborted) return;
      setUrl(found);
      if (!found && isNew(item)) timer = setTimeout(look, ASKED_AGAIN_MS);
    }
    return () => {
      clearTimeout(timer);
      ending.abort();
    };
  }, [item.id, mayHave]);
  return html`<span class="thumbnail ${item.isFolder ? "of-folder" : ""}">${url
    ? html`<img src=${url} alt="" width="40" height="40" loading="lazy" decoding="async" draggable=${false} onError=${() => setUrl("")} />`
    : html`<${Icon} name=${iconOf(item)} />`}</span>`;
}

async function find(item, signal) {
  const file = await api("GET", `/api/files/${item.id}`, { signal });
  const url = file.width ? urlOf(`/api/files/${item.id}/thumbnail`, { size: 160 }) : "";
  if (url || !isNew(item)) known.set(item.id, url);
  if (known.size > KEPT) known.delete(known.keys().next().value);
  return url;
}

/* Its preview may still be made. */
function isNew(item) {
  return Date.now() - new Date(item.updated).getTime() < MADE_WITHIN_MS;
}
