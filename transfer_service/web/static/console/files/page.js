/* The page of files: the folder that the address names, or what a search finds below it. */

import { html, useEffect, useMemo, useRef, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { useRoute } from "../core/router.js";
import { useStore } from "../core/store.js";
import { Button } from "../ui/button.js";
import { Empty } from "../ui/states.js";
import { say } from "../ui/toast.js";
import { UploadArea, UploadButtons } from "../uploads/area.js";
import { refreshFiles } from "./changes.js";
import { NewFolderDialog } from "./dialogs.js";
import { labelOf } from "./items.js";
import { FileList } from "./list.js";
import { listingOf } from "./listing.js";
import { SearchBox } from "./search_box.js";
import { useOrder } from "./view.js";
import { Way } from "./way.js";

export default function Page({ labels }) {
  const { query } = useRoute();
  const [order, setOrder] = useOrder();
  const [isMaking, setMaking] = useState(false);
  const title = useRef();
  const folder = labels.join("/");
  const search = query.get("search") ?? "";
  const listing = useMemo(() => listingOf({ folder, search, ...order }), [folder, search, order]);
  const shown = labels.at(-1) ?? t("files.title");
  useEffect(() => { document.title = `${shown} · ${t("shell.product")}`; }, [shown]);
  return html`<header class="page-head files-head">
      <h1 ref=${title} tabindex="-1"><bdi>${shown}</bdi></h1>
      <${SearchBox} labels=${labels} search=${search} />
      <${UploadButtons} folder=${folder} />
    </header>
    <div class="files-place">
      <${Way} labels=${labels} />
      <${Button} kind="quiet" icon="folder-plus" onClick=${() => setMaking(true)}>${t("files.new_folder")}<//>
    </div>
    <${UploadArea} folder=${folder} hasButtons=${false} />
    <${Found} listing=${listing} search=${search} />
    <${FileList} key=${JSON.stringify([folder, search])} listing=${listing} order=${order} onOrder=${setOrder} onEmptied=${() => title.current.focus()}
      nothing=${html`<${Nothing} folder=${folder} search=${search} />`} />
    ${isMaking && html`<${NewFolderDialog} folder=${folder} onDone=${made} onClose=${() => setMaking(false)} />`}`;
}

function made({ path }) {
  refreshFiles();
  say(t("files.made", { name: labelOf(path) }));
}

/* How much a search has found, for whoever does not see the list. */
function Found({ listing, search }) {
  const { items, isWhole, isLoaded } = useStore(listing.state);
  return html`<p class="only-heard" role="status">${search && isLoaded && t(isWhole ? "files.found" : "files.found_more", { count: items.length })}</p>`;
}

function Nothing({ folder, search }) {
  if (search) return html`<${Empty} icon="search" title=${t("files.nothing_found")}><p>${t(folder ? "files.nothing_found_hint" : "files.nothing_found_anywhere")}</p><//>`;
  if (folder) return html`<${Empty} icon="folder" title=${t("files.empty_folder")}><p>${t("files.empty_hint")}</p><//>`;
  return html`<${Empty} icon="upload" title=${t("files.empty")}><p>${t("files.empty_hint")}</p><//>`;
}
