/* To choose a folder: the way to it, and what folders it has. */

import { api } from "../core/api.js";
import { html, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { Button } from "../ui/button.js";
import { Icon } from "../ui/icon.js";
import { useLoaded } from "../ui/load.js";
import { Failed } from "../ui/states.js";
import { labelOf, within } from "./items.js";
import { faultOf, problems } from "./naming.js";

const PAGE = 200;

/** Shows the folder `place`, whose own are opened by `onPlace`; those of `without` cannot be. */
export function FolderChooser({ place, onPlace, without }) {
  const { value: folders, error, reload } = useLoaded((signal) => foldersIn(place, signal), [place]);
  const labels = place ? place.split("/") : [];
  const open = (path) => (event) => {
    onPlace(path);
    event.currentTarget.closest(".chooser").querySelector("[aria-current]")?.focus();
  };
  return html`<div class="chooser">
    <div class="chooser-way" role="group" aria-label=${t("files.chosen_folder")}>
      ${["", ...labels].map((label, depth) => html`<button type="button" key=${depth} onClick=${open(labels.slice(0, depth).join("/"))}
        aria-current=${depth === labels.length ? "true" : undefined} autofocus=${depth === labels.length}>${depth ? html`<bdi title=${label}>${label}</bdi>` : t("files.top")}</button>`)}
    </div>
    ${error ? html`<${Failed} error=${error} onRetry=${reload} />` : html`<ul class="chooser-list" aria-label=${t("files.folders_in")}>
      ${folders?.map((path) => html`<li key=${path}><button type="button" disabled=${without.includes(path)} onClick=${open(path)}>
        <${Icon} name="folder" /><bdi title=${labelOf(path)}>${labelOf(path)}</bdi><${Icon} name="forward" /></button></li>`)}
      ${folders?.length === 0 && html`<li class="quiet">${t("files.no_folders")}</li>`}
    </ul>`}
    <${NewHere} place=${place} onMade=${onPlace} />
  </div>`;
}

/* A folder that is not there yet. No form: it stands in one. */
function NewHere({ place, onMade }) {
  const [label, setLabel] = useState("");
  const [problem, setProblem] = useState("");
  const make = async () => {
    const fault = faultOf(label);
    if (fault) return setProblem(fault);
    try {
      const made = await api("POST", "/api/folders", { json: { path: within(place, label.trim()) } });
      setLabel("");
      setProblem("");
      onMade(made.path);
    } catch (error) {
      setProblem(textOf(error, problems()));
    }
  };
  const makeByEnter = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    make();
  };
  return html`<div class="chooser-new"><input type="text" aria-label=${t("files.folder_name")} placeholder=${t("files.new_folder")} autocomplete="off" dir="auto"
      value=${label} onInput=${(event) => setLabel(event.target.value)} onKeyDown=${makeByEnter} />
    <${Button} icon="folder-plus" onClick=${make}>${t("files.create")}<//></div>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}`;
}

/* Folders come first, so those after the first file need not be asked for. */
async function foldersIn(folder, signal) {
  const found = [];
  let cursor = null;
  do {
    const query = new URLSearchParams({ folder, sort: "name", limit: PAGE, ...(cursor && { cursor }) });
    const page = await api("GET", `/api/files?${query}`, { signal });
    found.push(...page.folders.map(({ path }) => path));
    cursor = page.files.length ? null : page.next_cursor;
  } while (cursor);
  return found;
}
