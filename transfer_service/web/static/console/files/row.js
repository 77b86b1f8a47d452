/* A row of the list: a folder or a file. */

import { html } from "../../vendor/htm-preact.js";
import { formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { hrefOf, Link } from "../core/router.js";
import { showHref } from "../previews/shown.js";
import { MenuButton } from "../ui/menu.js";
import { When } from "../ui/when.js";
import { downloadUrl } from "./downloads.js";
import { folderOf } from "./items.js";
import { Thumbnail } from "./thumbnail.js";

/** The cells of a row. `actions` are what may be done with an item: download, share, rename, move, remove. */
export function Row({ item, folder, isSearch, isChosen, onToggle, actions }) {
  return html`<div role="cell" class="cell-check"><input type="checkbox" data-part="check" aria-label=${t("files.select", { name: item.label })}
      checked=${isChosen} onClick=${onToggle} /></div>
    <div role="cell" class="cell-name">
      <${Thumbnail} item=${item} />
      <div class="grow">
        <${Name} item=${item} />
        ${isSearch && html`<${Where} item=${item} folder=${folder} />`}
      </div>
    </div>
    <div role="cell" class="cell-size">${sizeOf(item)}</div>
    <div role="cell" class="cell-added"><${When} at=${item.created} /></div>
    <div role="cell" class="cell-changed"><${When} at=${item.updated} /></div>
    <div role="cell" class="cell-tools"><${MenuButton} label=${t("files.actions", { name: item.label })} data-part="actions" items=${menuOf(item, actions)} /></div>`;
}

/* Nothing can be opened of what is not whole. */
function Name({ item }) {
  const label = html`<bdi>${item.label}</bdi>`;
  if (!item.isWhole) return html`<span class="name" dir="auto" data-part="name" tabindex="-1" title=${item.label}>${label}</span>`;
  if (item.isFolder) return html`<${Link} class="name" dir="auto" data-part="name" draggable=${false} href=${hrefOf("files", ...item.name.split("/"))} title=${item.label}>${label}<//>`;
  return html`<${Link} class="name" dir="auto" data-part="name" draggable=${false} href=${showHref(item.id)} title=${item.label}>${label}<//>`;
}

/* Where it lies, seen from the folder that was searched. */
function Where({ item, folder }) {
  const place = folderOf(item.name).slice(folder ? folder.length + 1 : 0);
  return place ? html`<${Link} class="where" dir="auto" draggable=${false} href=${hrefOf("files", ...folderOf(item.name).split("/"))}><bdi>${place}</bdi><//>` : null;
}

function sizeOf(item) {
  if (item.isFolder) return "";
  if (item.isWhole) return formatSize(item.size);
  const received = formatSize(item.received);
  const told = item.size === null ? received : t("files.part", { received, size: formatSize(item.size) });
  return html`<span class="tag warn" title=${told}>${t("files.unfinished")}<span class="only-heard">, ${told}</span></span>`;
}

function menuOf(item, actions) {
  const save = item.isFolder
    ? { label: t("files.download"), icon: "download", onSelect: () => actions.download([item]) }
    : { label: t("files.download"), icon: "download", href: downloadUrl(item), download: item.label };
  return [
    item.isWhole && save,
    item.isWhole && { label: t("files.share"), icon: "share", onSelect: () => actions.share([item]) },
    { label: t("files.rename"), icon: "rename", onSelect: () => actions.rename(item) },
    { label: t("files.move"), icon: "move", onSelect: () => actions.move([item]) },
    { label: t("files.delete"), icon: "trash", isDanger: true, onSelect: () => actions.remove([item]) },
  ];
}
