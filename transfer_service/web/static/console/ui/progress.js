/* How far something is. */

import { html } from "../../vendor/htm-preact.js";

/** A bar named `label`, at `value` of `max`; without `value` it is not known how far. */
export function ProgressBar({ label, value, max }) {
  const known = value === undefined || value === null ? {} : { value: max ? value : 1 };
  return html`<progress aria-label=${label} max=${max || 1} ...${known}></progress>`;
}
