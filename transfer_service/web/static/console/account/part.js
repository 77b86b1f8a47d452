/* One part of the page Account: what it is about beside what can be done. */

import { html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";

/** `name` is that of its messages: `account.NAME.title` and `.text`. */
export function Part({ name, children }) {
  return html`<section class="setting" aria-labelledby=${`account-${name}`}>
    <div class="setting-about"><h2 id=${`account-${name}`}>${t(`account.${name}.title`)}</h2><p class="quiet">${t(`account.${name}.text`)}</p></div>
    <div class="setting-body">${children}</div>
  </section>`;
}
