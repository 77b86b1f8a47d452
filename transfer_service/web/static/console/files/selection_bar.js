/* What may be done with all that is selected. */

import { html, useEffect, useRef } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { Button, IconButton } from "../ui/button.js";

/** Stands over the heads of the list: a box for all rows, and while something is selected what may be done with it. */
export function SelectionBar({ selection, isAll, actions, onAll }) {
  const { chosen, clear } = selection;
  const box = useRef();
  const items = [...chosen.values()];
  useEffect(() => { box.current.indeterminate = chosen.size > 0 && !isAll; });
  const isWhole = items.every((item) => item.isWhole);
  return html`<div class="selection" role="group" aria-label=${t("files.selection")}>
    <input ref=${box} type="checkbox" aria-label=${t("files.select_all")} checked=${isAll} onChange=${() => (isAll ? clear() : onAll())} />
    <p class="selection-count" role="status">${chosen.size > 0 && html`<span>${t("files.count_selected", { count: chosen.size })}</span>`}</p>
    ${chosen.size > 0 && html`<div class="selection-tools">
      ${isWhole && html`<${Button} kind="quiet" icon="download" onClick=${() => actions.download(items)}>${t("files.download")}<//>
        <${Button} kind="quiet" icon="share" onClick=${() => actions.share(items)}>${t("files.share")}<//>`}
      <${Button} kind="quiet" icon="move" onClick=${() => actions.move(items)}>${t("files.move")}<//>
      <${Button} kind="quiet" icon="trash" onClick=${() => actions.remove(items)}>${t("files.delete")}<//>
      <${IconButton} label=${t("files.clear_selection")} icon="close" onClick=${clear} /></div>`}
  </div>`;
}
