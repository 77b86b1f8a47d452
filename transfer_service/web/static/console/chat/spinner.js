/* More is on its way. */

import { html } from "../../vendor/htm-preact.js";

/** A turning sign, only to be seen. */
export function Spinner() {
  return html`<p class="log-more" aria-hidden="true"><span class="spinner"></span></p>`;
}
