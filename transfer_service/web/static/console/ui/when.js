/* Instants in lists. */

import { html } from "../../vendor/htm-preact.js";
import { formatInstant, formatRelative } from "../core/format.js";

/** How long ago or ahead it is, and with a pointer on it when exactly. */
export function When({ at }) {
  return html`<time datetime=${at} title=${formatInstant(at)}>${formatRelative(at)}</time>`;
}
