/* A sign for somebody, or for a group. */

import { html } from "../../vendor/htm-preact.js";
import { Icon } from "../ui/icon.js";

/** The first letter of a name in a circle; only to be seen. */
export function Avatar({ name, isGroup = false }) {
  const [letter = "?"] = [...new Intl.Segmenter().segment(name.trim())].map(({ segment }) => segment);
  return html`<span class="avatar" aria-hidden="true">${isGroup ? html`<${Icon} name="people" />` : letter.toLocaleUpperCase()}</span>`;
}
