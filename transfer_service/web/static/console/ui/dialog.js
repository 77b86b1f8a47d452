/* Dialogs: one thing to be answered before all else. */

import { html, useLayoutEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { Button, IconButton } from "./button.js";

let lastId = 0;

/**
 * A dialog with a title, shown for as long as it is drawn. Escape, its button and a click beside it call `onClose`; the
 * focus goes back to where it was. `wide` is for pictures and the like; `tools` stand beside its title. `kind` is a class of its style.
 * Of what is shown this once only (`isKept`) a click beside it does nothing.
 */
export function Dialog({ title, onClose, children, wide = false, isKept = false, kind = "", tools, onKeyDown }) {
  const element = useRef();
  const isOpen = useRef(false);
  const id = useRef(`dialog-${(lastId += 1)}`).current;
  useLayoutEffect(() => { // before the next key is pressed
    const dialog = element.current;
    const before = document.activeElement;
    dialog.showModal();
    isOpen.current = true;
    return () => {
      isOpen.current = false;
      dialog.close();
      (before?.isConnected ? before : document.getElementById("main"))?.focus();
    };
  }, []);
  const close = (event) => {
    event.preventDefault();
    onClose();
  };
  const closed = () => isOpen.current && onClose(); // browsers need not ask before Escape where nothing was clicked yet
  const closeBeside = (event) => !isKept && event.target === element.current && onClose();
  return html`<dialog ref=${element} class=${`dialog ${wide ? "wide" : ""} ${kind}`} aria-labelledby=${id}
      onCancel=${close} onClose=${closed} onMouseDown=${closeBeside} onKeyDown=${onKeyDown}>
    <div class="dialog-inside">
      <header class="dialog-head">
        <h2 id=${id}><bdi>${title}</bdi></h2>
        ${tools && html`<div class="dialog-tools">${tools}</div>`}
        <${IconButton} label=${t("common.close")} icon="close" onClick=${onClose} />
      </header>
      ${children}
    </div>
  </dialog>`;
}

/**
 * A dialog with fields and one thing to do. `onSubmit` may be async: the button rests meanwhile, an ApiError is told in
 * the dialog (by `problems`, see core/problems.js), and where there is none the dialog closes, unless it gives `false`.
 */
export function FormDialog({ title, submit, kind = "primary", onSubmit, onClose, problems, children }) {
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const send = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setProblem("");
    try {
      if ((await onSubmit(new FormData(event.target))) !== false) onClose();
    } catch (error) {
      setProblem(textOf(error, problems));
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form class="form" onSubmit=${send}>
      ${children}
      ${problem && html`<p class="problem" role="alert">${problem}</p>`}
      <footer class="dialog-foot">
        <${Button} onClick=${onClose}>${t("common.cancel")}<//>
        <${Button} kind=${kind} type="submit" aria-disabled=${isBusy}>${submit}<//>
      </footer>
    </form>
  <//>`;
}
