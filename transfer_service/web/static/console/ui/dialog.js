/* Dialogs: one thing to be answered before all else. */

import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { Button, IconButton } from "./button.js";

let lastId = 0;

/**
 * A dialog with a title, shown for as long as it is drawn. Escape, its button and a click beside it call `onClose`; the
 * focus goes back to where it was. `wide` is for pictures and the like.
 */
export function Dialog({ title, onClose, children, wide = false }) {
  const element = useRef();
  const id = useRef(`dialog-${(lastId += 1)}`).current;
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  const close = (event) => {
    event.preventDefault();
    onClose();
  };
  const closeBeside = (event) => event.target === element.current && onClose();
  return html`<dialog ref=${element} class=${wide ? "dialog wide" : "dialog"} aria-labelledby=${id} onCancel=${close} onMouseDown=${closeBeside}>
    <div class="dialog-inside">
      <header class="dialog-head">
        <h2 id=${id}><bdi>${title}</bdi></h2>
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
