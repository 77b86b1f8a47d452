/* The picture or symbol at the beginning of a row. */

import { api, urlOf } from "../core/api.js";
import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { persist } from "../core/passing.js";
import { useFetched } from "../ui/fetched.js";
import { Icon } from "../ui/icon.js";
import { iconOf } from "./items.js";

const LOOKED_AT_MS = 150;
const MADE_WITHIN_MS = 60_000;
const ASKED_AGAIN_MS = 3000;
const KEPT = 5000;

/* Whether a file has a preview: its path, or "" where there is none. */
const known = new Map();

/** A small picture of it where there is one; only what is looked at is asked for. */
export function Thumbnail({ item }) {
  const mayHave = item.isWhole && (item.type?.startsWith("image/") || item.type?.startsWith("video/"));
  const [path, setPath] = useState(() => known.get(item.id) ?? "");
  const { turn, isBroken, onError, onLoad } = useFetched(path);
  useEffect(() => {
    if (!mayHave || known.has(item.id)) return setPath(known.get(item.id) ?? "");
    const ending = new AbortController();
    let timer = setTimeout(look, LOOKED_AT_MS);
    async function look() {
      const found = await persist(() => find(item, ending.signal), { signal: ending.signal }).catch(() => "");
      if (ending.signal.aborted) return;
      setPath(found);
      if (!found && isNew(item)) timer = setTimeout(look, ASKED_AGAIN_MS);
    }
    return () => {
      clearTimeout(timer);
      ending.abort();
    };
  }, [item.id, mayHave]);
  return html`<span class="thumbnail ${item.isFolder ? "of-folder" : ""}">${path && !isBroken
    ? html`<img key=${turn} src=${urlOf(path)} alt="" width="40" height="40" loading="lazy" decoding="async" draggable=${false} onLoad=${onLoad} onError=${onError} />`
    : html`<${Icon} name=${iconOf(item)} />`}</span>`;
}

async function find(item, signal) {
  const file = await api("GET", `/api/files/${item.id}`, { signal });
  const path = file.width ? `/api/files/${item.id}/thumbnail?size=160` : "";
  if (path || !isNew(item)) known.set(item.id, path);
  if (known.size > KEPT) known.delete(known.keys().next().value);
  return path;
}

/* Its preview may still be made. */
function isNew(item) {
  return Date.now() - new Date(item.updated).getTime() < MADE_WITHIN_MS;
}
