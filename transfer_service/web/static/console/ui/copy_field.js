/* Something to take along: a link, a password, a secret. */

import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { Button } from "./button.js";

const TOLD_MS = 4000;
let lastId = 0;

/** Put a text onto the clipboard. Resolves to whether it is there; without HTTPS browsers have the old way only. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/* Where it may be selected: what is beside an open dialog may not. */
function copyBySelection(text) {
  const before = document.activeElement;
  const field = Object.assign(document.createElement("textarea"), { value: text, readOnly: true, className: "only-heard" });
  ([...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body).append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  before?.focus();
  return isDone;
}

/**
 * A value that is only read, with a button that copies it; `hint` stands below. Where copying fails it is selected. All
 * else is an attribute of the button.
 */
export function CopyField({ label, value, hint, ...rest }) {
  const id = useRef(`copy-${(lastId += 1)}`).current;
  const input = useRef();
  const [told, setTold] = useState("");
  useEffect(() => {
    const timer = told && setTimeout(() => setTold(""), TOLD_MS);
    return () => clearTimeout(timer);
  }, [told]);
  const copy = async () => {
    const isDone = await copyText(value);
    if (!isDone) input.current.select();
    setTold(t(isDone ? "common.copied" : "common.not_copied"));
  };
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <div class="with-button copy-field">
      <input ref=${input} id=${id} type="text" readonly dir="ltr" spellcheck=${false} value=${value} aria-describedby=${hint ? `${id}-hint` : undefined}
        onFocus=${(event) => event.target.select()} />
      <${Button} icon="copy" aria-label=${t("common.copy_label", { label })} onClick=${copy} ...${rest}>${t("common.copy")}<//>
    </div>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    <p class="hint" role="status">${told}</p>
  </div>`;
}
