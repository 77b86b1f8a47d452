/* Text that is there to be taken elsewhere: an address, a key, a password. */

import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { Button, IconButton } from "./button.js";

const TOLD_MS = 3000;
let lastId = 0;

/** Puts a text where pasting takes it from: resolves to whether it lies there. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // not over plain HTTP, and not where the browser's user forbids it
  }
}

/** What was copied, or not, for a moment. Gives `[state, copy]`; `copy` takes the text and a field to select instead. */
function useCopy() {
  const [state, setState] = useState("");
  const timer = useRef();
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (text, field) => {
    field?.select();
    const isCopied = (await copyText(text)) || (field && document.execCommand("copy"));
    setState(isCopied ? "copied" : "select");
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setState(""), TOLD_MS);
  };
  return [state, copy];
}

/** A labelled text that cannot be changed, and a button `Copy`. Where nothing can be copied it is selected. */
export function CopyField({ label, value, hint, ...rest }) {
  const id = useRef(`copy-${(lastId += 1)}`).current;
  const field = useRef();
  const [state, copy] = useCopy();
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <div class="with-button">
      <input id=${id} ref=${field} type="text" readonly value=${value} dir="ltr" aria-describedby=${hint ? `${id}-hint` : undefined}
        onFocus=${() => field.current.select()} />
      <${Button} icon=${state === "copied" ? "check" : "copy"} onClick=${() => copy(value, field.current)} ...${rest}>${t("common.copy")}<//>
    </div>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    <p class=${state === "select" ? "hint" : "only-heard"} role="status">${state && t(`common.copy_${state}`)}</p>
  </div>`;
}

/** A button that copies `value`; `label` is its name. What came of it is told beside it. */
export function CopyButton({ label, value, ...rest }) {
  const [state, copy] = useCopy();
  return html`<${IconButton} label=${label} icon=${state === "copied" ? "check" : "copy"} onClick=${() => copy(value)} ...${rest} />
    <span class=${state === "select" ? "hint" : "only-heard"} role="status">${state && t(state === "copied" ? "common.copy_copied" : "common.copy_failed")}</span>`;
}
