/* A PDF, shown by the browser's own reader: at a signed address, because a download would be saved, not shown. */

import { html } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { t } from "../core/messages.js";
import { labelOf } from "../files/items.js";
import { Icon } from "../ui/icon.js";
import { useLoaded } from "../ui/load.js";
import { Failed, Loading } from "../ui/states.js";
import { Other } from "./other.js";

export function Pdf({ file }) {
  const { value, error, reload } = useLoaded((signal) => inlineUrl(file.file_id, signal), []);
  if (error) return html`<${Failed} error=${error} onRetry=${reload} />`;
  if (!value) return html`<${Loading} />`;
  const elsewhere = html`<a class="button plain" href=${value} target="_blank" rel="noopener"><${Icon} name="forward" /><span>${t("previews.new_tab")}</span></a>`;
  if (!navigator.pdfViewerEnabled) return html`<${Other} file=${file} text=${t("previews.no_reader")}>${elsewhere}<//>`;
  return html`<iframe class="viewer-pdf" src=${value} title=${labelOf(file.filename)}></iframe><p class="viewer-elsewhere">${elsewhere}</p>`;
}

/* At the host that this page is from, whatever name the service knows itself by. */
async function inlineUrl(fileId, signal) {
  const { url } = await api("POST", `/api/files/${fileId}/url`, { json: { inline: true }, signal });
  const { pathname, search } = new URL(url, window.location.href);
  return pathname + search;
}
