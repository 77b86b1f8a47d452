/* Icons: the symbols of icons.svg, drawn in the colour of the text. */

import { html } from "../../vendor/htm-preact.js";
import { ASSETS } from "../core/page.js";

/** A symbol, only to be seen: what it means, the text or the name beside it says. */
export function Icon({ name }) {
  return html`<svg class="icon" aria-hidden="true" focusable="false"><use href=${`${ASSETS}/console/icons.svg#${name}`} /></svg>`;
}
