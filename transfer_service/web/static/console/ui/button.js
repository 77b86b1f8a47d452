/* Buttons. */

import { html } from "../../vendor/htm-preact.js";
import { Icon } from "./icon.js";

/** A button with a text. `kind`: primary, plain (default), danger or quiet. */
export function Button({ kind = "plain", icon, children, ...rest }) {
  return html`<button type="button" class=${`button ${kind}`} ...${rest}>${icon && html`<${Icon} name=${icon} />`}<span>${children}</span></button>`;
}

/** A button that is only a symbol; `label` is its name. */
export function IconButton({ label, icon, kind = "", ...rest }) {
  return html`<button type="button" class=${`icon-button ${kind}`} aria-label=${label} title=${label} ...${rest}><${Icon} name=${icon} /></button>`;
}
