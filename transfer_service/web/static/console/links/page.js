/* The page links. */

import { html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";

export default function Page() {
  return html`<header class="page-head"><h1>${t("links.title")}</h1></header>`;
}
