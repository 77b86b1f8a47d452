/* The way from the top to the folder that is shown. */

import { html, useEffect, useRef } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { hrefOf, Link } from "../core/router.js";
import { Icon } from "../ui/icon.js";
import { dropAttributes } from "./dragging.js";

export function Way({ labels }) {
  const list = useRef();
  const places = ["", ...labels];
  useEffect(() => {
    const isMirrored = getComputedStyle(list.current).direction === "rtl";
    list.current.scrollLeft = isMirrored ? -list.current.scrollWidth : list.current.scrollWidth;
  }, [labels.join("/")]);
  return html`<nav class="folder-way" aria-label=${t("files.way")}><ol ref=${list}>
    ${places.map((label, depth) => html`<li key=${depth}>
      ${depth > 0 && html`<${Icon} name="forward" />`}
      <${Link} href=${hrefOf("files", ...labels.slice(0, depth))} aria-current=${depth === labels.length ? "page" : undefined}
        draggable=${false} ...${dropAttributes(labels.slice(0, depth).join("/"))}>
        ${depth ? html`<bdi title=${label}>${label}</bdi>` : html`<${Icon} name="home" /><span>${t("files.top")}</span>`}<//>
    </li>`)}
  </ol></nav>`;
}
