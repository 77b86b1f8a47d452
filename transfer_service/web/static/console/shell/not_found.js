/* An address of the console that names nothing. */

import { html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { hrefOf, Link } from "../core/router.js";
import { Empty } from "../ui/states.js";

export function NotFound() {
  return html`<${Empty} icon="warning" title=${t("shell.not_found")}><p><${Link} href=${hrefOf("files")}>${t("shell.to_files")}<//></p><//>`;
}
