/* The page files. */

import { html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { UploadArea } from "../uploads/area.js";

export default function Page() {
  return html`<header class="page-head"><h1>${t("files.title")}</h1></header><${UploadArea} folder="" />`;
}
