/* What stands where there is nothing else: nothing there, not there yet, or not to be had. */

import { html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { Button } from "./button.js";
import { Icon } from "./icon.js";

/** Nothing is there: says so, and what may be done. */
export function Empty({ icon, title, children }) {
  return html`<div class="empty"><${Icon} name=${icon} /><h2>${title}</h2>${children}</div>`;
}

/** It is on its way. Shown after a moment only, by the style sheet. */
export function Loading() {
  return html`<p class="loading" role="status"><span class="spinner"></span>${t("common.loading")}</p>`;
}

/** An error of `api` in place of what was asked for, and a button to ask again. */
export function Failed({ error, onRetry, problems }) {
  return html`<div class="empty" role="alert"><${Icon} name="warning" /><p>${textOf(error, problems)}</p>
    ${onRetry && html`<${Button} onClick=${onRetry}>${t("common.again")}<//>`}</div>`;
}
