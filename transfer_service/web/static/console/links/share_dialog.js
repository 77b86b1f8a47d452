/* Sharing files and folders by a link. */

import { html, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { t } from "../core/messages.js";
import { FormDialog } from "../ui/dialog.js";
import { Field } from "../ui/field.js";
import { AccessFields, draftOf, numberOf } from "./fields.js";
import { LinkMade } from "./made.js";

/** Makes a link to `files` (`{file_id, filename}`) and `folders` (paths), and shows its address. */
export function ShareDialog({ files = [], folders = [], onClose }) {
  const [made, setMade] = useState(null);
  const create = async (form) => {
    const draft = draftOf(form);
    const asked = { ...draft, max_downloads: numberOf(form, "max_downloads") };
    if (files.length) asked.file_ids = files.map((file) => file.file_id);
    if (folders.length) asked.folders = folders;
    setMade({ link: await api("POST", "/api/links", { json: asked }), password: draft.password });
    return false;
  };
  if (made) return html`<${LinkMade} ...${made} onClose=${onClose} />`;
  const problems = { 404: t("links.share.gone") };
  return html`<${FormDialog} title=${titleOf(files, folders)} submit=${t("links.create")} onSubmit=${create} onClose=${onClose} problems=${problems}>
    <${Field} label=${t("links.name.label")} hint=${t("links.name.hint")} name="name" maxlength="255" autocomplete="off" dir="auto" autofocus />
    <${AccessFields} />
    <${Field} label=${t("links.share.max_downloads")} hint=${t("links.share.max_downloads_hint")} name="max_downloads" type="number" min="1" step="1" inputmode="numeric" />
  <//>`;
}

function titleOf(files, folders) {
  const count = files.length + folders.length;
  if (count !== 1) return t("links.share.title", { count });
  const name = files.length ? files[0].filename : folders[0];
  return t("links.share.title_of", { name: name.slice(name.lastIndexOf("/") + 1) });
}
