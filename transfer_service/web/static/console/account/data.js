/* One's own data to take along; and what the console takes from the browser. */

import { html } from "../../vendor/htm-preact.js";
import { urlOf } from "../core/api.js";
import { t } from "../core/messages.js";
import { Icon } from "../ui/icon.js";
import { Part } from "./part.js";

const CONTENTS = ["files", "messages", "facts", "never"];

export function ExportPart() {
  return html`<${Part} name="export">
    <ul class="contents">${CONTENTS.map((each) => html`<li key=${each}>${t(`account.export.${each}`)}</li>`)}</ul>
    <p><a class="button plain" href=${urlOf("/api/account/export")} download><${Icon} name="download" /><span>${t("account.export.download")}</span></a></p>
  <//>`;
}

export function LanguagePart() {
  return html`<${Part} name="language"><p>${t("account.language.now")}</p><//>`;
}
