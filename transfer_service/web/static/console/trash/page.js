/* The page trash. */

import { html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";

export default function Page() {
  return html`<header class="page-head"><h1>${t("trash.title")}</h1></header>`;
}
