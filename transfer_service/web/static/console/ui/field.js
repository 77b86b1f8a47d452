/* Fields of forms: a label, what is entered, and a word about it. */

import { html, useRef } from "../../vendor/htm-preact.js";
import { Icon } from "./icon.js";

let lastId = 0;

/** A labelled input; `hint` stands below it, `beside` (a button) next to it. All else is an attribute of the input, `inputRef` its ref. */
export function Field({ label, hint, beside, type = "text", inputRef, ...rest }) {
  const id = useRef(`field-${(lastId += 1)}`).current;
  const input = html`<input ref=${inputRef} id=${id} type=${type} aria-describedby=${hint ? `${id}-hint` : undefined} ...${rest} />`;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${beside ? html`<div class="with-button">${input}${beside}</div>` : input}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}

/** A field to search by, without a visible label. */
export function SearchField({ label, inputRef, ...rest }) {
  return html`<div class="search-field"><${Icon} name="search" /><input ref=${inputRef} type="search" aria-label=${label} placeholder=${label}
    autocomplete="off" autocapitalize="none" spellcheck="false" ...${rest} /></div>`;
}

/** A labelled choice of `options`: [value, text] each. `value` is what is chosen; `initial` what is at first, for forms that are read at their end. */
export function Select({ label, hint, options, value, initial, ...rest }) {
  const id = useRef(`field-${(lastId += 1)}`).current;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select id=${id} value=${value} aria-describedby=${hint ? `${id}-hint` : undefined} ...${rest}>
      ${options.map(([each, text]) => html`<option value=${each} selected=${each === (value ?? initial)}>${text}</option>`)}
    </select>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}

/** A box to tick, with its label beside it. */
export function Checkbox({ label, hint, ...rest }) {
  return html`<label class="checkbox"><input type="checkbox" ...${rest} /><span>${label}${hint && html`<small>${hint}</small>`}</span></label>`;
}
