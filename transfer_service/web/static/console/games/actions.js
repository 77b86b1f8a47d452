/* What may be done with a game: fetch an archive, give that up, remove one. */

import { html, useState } from "../../vendor/htm-preact.js";
import { api, ApiError } from "../core/api.js";
import { formatDate, formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { account } from "../core/session.js";
import { useStore } from "../core/store.js";
import { Button } from "../ui/button.js";
import { FormDialog } from "../ui/dialog.js";
import { say } from "../ui/toast.js";
import { look, noteBegun } from "./downloads.js";

const TOO_MANY = "Too many downloads";

/** Whether the one who is signed in may fetch and remove archives. */
export function useMayDownload() {
  return useStore(account, (me) => Boolean(me?.permissions.includes("games.download")));
}

/* Raises ApiError. Its status is "many" where others have to end first: 503 is more than that. */
async function start(gameId, gameDataId) {
  try {
    await api("POST", `/api/downloads/${gameId}/download`, { json: { gameDataId } });
    noteBegun(gameId);
  } catch (error) {
    throw error.detail?.startsWith(TOO_MANY) ? new ApiError("many", error.detail) : error;
  } finally {
    await look(); // a refusal, too, may be because somebody else was first
  }
}

function problems() {
  return { 403: t("games.may_not"), 404: t("games.left_catalogue"), 409: t("games.conflict"), many: t("games.too_many") };
}

function tell(error) {
  say(textOf(error, problems()), { isProblem: true });
}

/** The button that fetches a game; where it has several archives they are chosen from. */
export function DownloadButton({ game, kind = "plain" }) {
  const [isBusy, setBusy] = useState(false);
  const [isChoosing, setChoosing] = useState(false);
  const missing = game.gameData.filter((each) => !each.downloaded);
  if (missing.length === 0) return null;
  const begin = async () => {
    if (isBusy) return;
    if (game.gameData.length > 1) {
      setChoosing(true);
      return;
    }
    setBusy(true);
    await start(game.id, missing[0].id).catch(tell);
    setBusy(false);
  };
  return html`<${Button} kind=${kind} icon="download" aria-label=${t("games.download_title", { title: game.title })} aria-disabled=${isBusy}
      onClick=${begin}>${t("games.download")}<//>
    ${isChoosing && html`<${Choice} game=${game} missing=${missing} onClose=${() => setChoosing(false)} />`}`;
}

function Choice({ game, missing, onClose }) {
  const send = (fields) => start(game.id, Number(fields.get("data")));
  return html`<${FormDialog} title=${t("games.choose_title", { title: game.title })} submit=${t("games.download")} problems=${problems()} onSubmit=${send}
      onClose=${onClose}>
    <fieldset class="choices"><legend>${t("games.choose")}</legend>
      ${missing.map((each, place) => html`<label class="checkbox" key=${each.id}>
        <input type="radio" name="data" value=${each.id} defaultChecked=${place === 0} required />
        <span><bdi>${each.title}</bdi><small>${t("games.data_facts", { date: formatDate(each.dateAdded), size: formatSize(each.size) })}</small></span>
      </label>`)}
    </fieldset>
  <//>`;
}

/** The button that gives up a running download. */
export function CancelButton({ job }) {
  const [isBusy, setBusy] = useState(false);
  const end = async () => {
    if (isBusy) return;
    setBusy(true);
    await api("DELETE", `/api/downloads/${job.gameId}/download`).catch((error) => error.status === 404 || tell(error));
    await look();
    setBusy(false);
  };
  return html`<${Button} kind="plain" aria-label=${t("games.cancel_title", { title: job.title })} aria-disabled=${isBusy} onClick=${end}>${t("common.cancel")}<//>`;
}

/** Fetch what a failed or cancelled download did not bring. */
export function AgainButton({ job }) {
  const [isBusy, setBusy] = useState(false);
  const begin = async () => {
    if (isBusy) return;
    setBusy(true);
    await start(job.gameId, job.gameDataId).catch(tell);
    setBusy(false);
  };
  return html`<${Button} kind="plain" icon="refresh" aria-label=${t("games.again_title", { title: job.title })} aria-disabled=${isBusy}
    onClick=${begin}>${t("common.again")}<//>`;
}

/** The question before an archive is removed. `onRemoved` is called when it is gone. */
export function RemoveDialog({ game, data, onRemoved, onClose }) {
  const remove = async () => {
    await api("DELETE", `/api/downloads/${game.id}/archive/${data.id}`).catch((error) => {
      if (error.status !== 404) throw error; // somebody else has removed it
    });
    say(t("games.removed", { title: data.title }));
    onRemoved();
  };
  return html`<${FormDialog} title=${t("games.remove_question", { title: data.title })} submit=${t("games.remove")} kind="danger" onSubmit=${remove} onClose=${onClose}
      problems=${{ 409: t("games.remove_conflict") }}>
    <p>${t("games.remove_text", { size: formatSize(data.size) })}</p>
  <//>`;
}
