/* Fields of forms: a label, what is entered, and a word about it. */

import { html, useRef } from "../../vendor/htm-preact.js";

let lastId = 0;

/** A labelled input; `hint` stands below it, `beside` (a button) next to it. All else is an attribute of the input. */
export function Field({ label, hint, beside, type = "text", ...rest }) {
  const id = useRef(`field-${(lastId += 1)}`).current;
  const input = html`<input id=${id} type=${type} aria-describedby=${hint ? `${id}-hint` : undefined} ...${rest} />`;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${beside ? html`<div class="with-button">${input}${beside}</div>` : input}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}

/** A labelled choice of `options`: [value, text] each. */
export function Select({ label, options, value, ...rest }) {
  const id = useRef(`field-${(lastId += 1)}`).current;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select id=${id} value=${value} ...${rest}>
      ${options.map(([each, text]) => html`<option value=${each} selected=${each === value}>${text}</option>`)}
    </select>
  </div>`;
}

/** A box to tick, with its label beside it. */
export function Checkbox({ label, hint, ...rest }) {
  return html`<label class="checkbox"><input type="checkbox" ...${rest} /><span>${label}${hint && html`<small>${hint}</small>`}</span></label>`;
}
