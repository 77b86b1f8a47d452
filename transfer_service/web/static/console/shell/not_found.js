/* An address of the console that names nothing. */

import { html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { hrefOf, Link } from "../core/router.js";

export function NotFound() {
  return html`<header class="page-head"><h1>${t("shell.not_found")}</h1></header><p><${Link} href=${hrefOf("files")}>${t("shell.to_files")}<//></p>`;
}
