/* The pinned messages of a conversation, the newest pin first. */

import { html } from "../../vendor/htm-preact.js";
import { formatInstant } from "../core/format.js";
import { t } from "../core/messages.js";
import { useStore } from "../core/store.js";
import { IconButton } from "../ui/button.js";
import { Dialog } from "../ui/dialog.js";
import { useLoaded } from "../ui/load.js";
import { Failed, Loading } from "../ui/states.js";
import { setPinned } from "./actions.js";
import { summaryOf } from "./summary.js";

export function Pins({ thread, onClose }) {
  const { info } = useStore(thread.store);
  const ids = info.pinned_messages;
  const { value, error, reload } = useLoaded(() => findAll(thread, ids), [ids.join()]);
  const go = (id) => {
    onClose();
    thread.jump(id);
  };
  const unpin = async (message) => thread.note(await setPinned(message, false));
  return html`<${Dialog} title=${t("chat.pins")} onClose=${onClose}>
    ${error ? html`<${Failed} error=${error} onRetry=${reload} />` : !value ? html`<${Loading} />` : html`<ul class="list pins-list">
      ${value.map((message) => html`<li key=${message._id}>
        <button type="button" class="grow pinned" onClick=${() => go(message._id)}>
          <span class="small quiet"><bdi>${message.sender}</bdi> · ${formatInstant(message.created_at)}</span><span dir="auto">${summaryOf(message)}</span>
        </button>
        <${IconButton} label=${t("chat.unpin_one", { message: summaryOf(message) })} icon="close" onClick=${() => unpin(message)} />
      </li>`)}
      ${!value.length && html`<li class="quiet">${t("chat.no_pins")}</li>`}
    </ul>`}
  <//>`;
}

async function findAll(thread, ids) {
  const found = [];
  for (const id of ids.toReversed()) found.push(await thread.find(id));
  return found.filter((message) => message?.pinned);
}
