/* Which file is shown large: the one that the address names, `?show=<file_id>`. So a reload and Back work. */

import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { textOf } from "../core/problems.js";
import { navigate, useRoute } from "../core/router.js";
import { say } from "../ui/toast.js";

const NAME = "show";

/** The present address with a file shown large in it; without `fileId` with none. For a `Link`. */
export function showHref(fileId = null) {
  const query = new URLSearchParams(window.location.search);
  if (fileId) query.set(NAME, fileId);
  else query.delete(NAME);
  const text = query.toString();
  return `${window.location.pathname}${text ? `?${text}` : ""}`;
}

/**
 * The viewer, where the address names a file; once in a page that links to `showHref`. `files` (`{file_id, filename}`)
 * are those that one may go on to. `onClosed(fileId)` hears which was shown last, to give its row the focus.
 */
export function Shown({ files, onClosed }) {
  const { query } = useRoute();
  const fileId = query.get(NAME);
  const [parts, setParts] = useState(null);
  const last = useRef(fileId);
  const hasListBehind = useRef(false);
  useEffect(() => {
    if (fileId && !parts) import("./viewer.js").then(setParts, (error) => say(textOf(error), { isProblem: true }));
    if (fileId && !last.current) hasListBehind.current = true;
    if (!fileId && last.current) onClosed?.(last.current);
    last.current = fileId;
  }, [fileId]);
  const close = () => {
    if (hasListBehind.current) window.history.back();
    else navigate(showHref(), { replace: true });
    hasListBehind.current = false;
  };
  if (!fileId || !parts) return null;
  return html`<${parts.Viewer} files=${files} shown=${fileId} onShow=${(next) => navigate(showHref(next), { replace: true })} onClose=${close} />`;
}
