/* Bars of a chart. The numbers themselves are always beside them. */

import { html } from "../../vendor/htm-preact.js";

const SEEN = 0.4;
const percentOf = (share) => (share > 0 ? Math.max(Math.min(share, 1) * 100, SEEN) : 0);

/** One bar of many in a table, whose cells say the number: only to be seen. */
export function Bar({ part, isQuiet = false }) {
  return html`<svg class="bar" aria-hidden="true" focusable="false"><rect class=${isQuiet ? "fill quiet-fill" : "fill"} width=${`${percentOf(part)}%`} height="100%" rx="3" /></svg>`;
}

/** What is used of a whole, as one bar with a title and a text for who does not see it. */
export function WholeBar({ used, free, title, text }) {
  return html`<svg class="bar whole-bar" role="img" aria-labelledby="whole-title whole-text">
    <title id="whole-title">${title}</title>
    <desc id="whole-text">${text}</desc>
    <rect class="ground" width="100%" height="100%" rx="6" />
    <rect class="fill" width=${`${percentOf(used / (used + free || 1))}%`} height="100%" rx="6" />
  </svg>`;
}
