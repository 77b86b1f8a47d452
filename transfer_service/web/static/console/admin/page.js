/* The page admin. */

import { html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";

export default function Page() {
  return html`<header class="page-head"><h1>${t("admin.title")}</h1></header>`;
}
