/* A link by which others send files into the account. */

import { html, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { t } from "../core/messages.js";
import { FormDialog } from "../ui/dialog.js";
import { Field } from "../ui/field.js";
import { AccessFields, draftOf, numberOf } from "./fields.js";
import { LinkMade } from "./made.js";

const GIGABYTE = 1_000_000_000;

/** Makes an upload link and shows its address; `onMade` is called when there is one. */
export function UploadLinkDialog({ onMade, onClose }) {
  const [made, setMade] = useState(null);
  const create = async (form) => {
    const draft = draftOf(form);
    const limits = { max_files: numberOf(form, "max_files"), max_bytes: numberOf(form, "max_size", GIGABYTE) };
    const folder = form.get("folder").trim().replace(/^\/+|\/+$/g, "") || undefined;
    setMade({ link: await api("POST", "/api/links", { json: { ...draft, upload: true, folder, ...limits } }), password: draft.password });
    onMade();
    return false;
  };
  if (made) return html`<${LinkMade} ...${made} onClose=${onClose} />`;
  const problems = { 409: t("links.upload.taken") };
  return html`<${FormDialog} title=${t("links.upload.new")} submit=${t("links.create")} onSubmit=${create} onClose=${onClose} problems=${problems}>
    <p class="quiet">${t("links.upload.text")}</p>
    <${Field} label=${t("links.name.label")} hint=${t("links.name.hint")} name="name" maxlength="255" autocomplete="off" dir="auto" autofocus />
    <${Field} label=${t("links.upload.folder")} hint=${t("links.upload.folder_hint")} name="folder" autocomplete="off" dir="auto" />
    <div class="side-by-side">
      <${Field} label=${t("links.upload.max_files")} name="max_files" type="number" min="1" step="1" inputmode="numeric" />
      <${Field} label=${t("links.upload.max_size")} name="max_size" type="number" min="0.001" step="any" inputmode="decimal" />
    </div>
    <${AccessFields} />
  <//>`;
}
