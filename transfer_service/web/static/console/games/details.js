/* One game: what is known of it, its archives, and what may be done with them. */

import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { formatDate, formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { Link } from "../core/router.js";
import { Button } from "../ui/button.js";
import { Icon } from "../ui/icon.js";
import { useKeptFocus } from "../ui/kept_focus.js";
import { useLoaded } from "../ui/load.js";
import { Failed, Loading } from "../ui/states.js";
import { CancelButton, DownloadButton, RemoveDialog, useMayDownload } from "./actions.js";
import { isActive, latestOf, onEnded, useDownloads } from "./downloads.js";
import { failureText } from "./failures.js";
import { PlayLink, Tags } from "./game_row.js";
import { isPlayable, launchOf } from "./launches.js";
import { DownloadProgress } from "./progress.js";
import { remembered } from "./remembered.js";

const DIGEST = "SHA-256";
const FACTS = [["platform", "platform"], ["developer", "developer"], ["publisher", "publisher"], ["releaseDate", "release_date"], ["launchCommand", "launch_command"]];

export function Details({ id }) {
  const { value, error, reload } = useLoaded((signal) => ask(id, signal), [id]);
  const { jobs } = useDownloads();
  useEffect(() => onEnded((job) => job.gameId === id && reload()), [id]);
  useEffect(() => { remembered.gameId = id; }, [id]);
  useEffect(() => { if (value) document.title = `${value.game.title} · ${t("shell.product")}`; }, [value]);
  return html`<p class="back"><${Link} class="button quiet" href=${remembered.catalogue}><${Icon} name="back" /><span>${t("games.back")}</span><//></p>
    ${error ? html`<${Failed} error=${error} onRetry=${reload} problems=${{ 404: t("games.left_catalogue") }} />`
      : value === undefined ? html`<${Loading} />` : html`<${Shown} ...${value} job=${latestOf(jobs, id)} reload=${reload} />`}`;
}

async function ask(id, signal) {
  const [game, launch] = await Promise.all([api("GET", `/api/games/${encodeURIComponent(id)}`, { signal }), launchOf(id, signal)]);
  return { game, launch };
}

function Shown({ game, launch, job, reload }) {
  const facts = FACTS.filter(([name]) => game[name]);
  return html`<article class="game-details">
    <header class="game-head"><h1 dir="auto">${game.title}</h1><${State} game=${game} launch=${launch} job=${job} /></header>
    ${game.description && html`<p class="description" dir="auto">${game.description}</p>`}
    <${Tags} tags=${game.tags} />
    ${facts.length > 0 && html`<dl class="game-facts">${facts.map(([name, label]) => html`<div key=${name}><dt>${t(`games.facts.${label}`)}</dt>
      <dd>${name === "launchCommand" ? html`<code dir="ltr">${game[name]}</code>` : html`<bdi>${game[name]}</bdi>`}</dd></div>`)}</dl>`}
    <${Archives} game=${game} job=${job} reload=${reload} />
  </article>`;
}

function State({ game, launch, job }) {
  const mayDownload = useMayDownload();
  const isRunning = Boolean(job && isActive(job));
  const isMissing = game.gameData.some((each) => !each.downloaded);
  const element = useKeptFocus(`${isRunning} ${game.downloaded} ${isMissing}`);
  const canPlay = isPlayable(launch);
  return html`<div ref=${element} class="game-state">
    ${isRunning && html`<${DownloadProgress} job=${job} />`}
    ${!isRunning && job?.status === "error" && isMissing && html`<p class="problem">${failureText(job.error)}</p>`}
    <div class="game-actions">
      ${canPlay && html`<${PlayLink} id=${game.id} title=${game.title} kind="primary" />`}
      ${isRunning ? mayDownload && html`<${CancelButton} job=${job} />` : mayDownload && html`<${DownloadButton} game=${game} kind=${canPlay ? "plain" : "primary"} />`}
    </div>
    ${!isRunning && html`<${Hint} game=${game} launch=${launch} mayDownload=${mayDownload} />`}
  </div>`;
}

function Hint({ game, launch, mayDownload }) {
  if (game.gameData.length === 0) return html`<p class="hint">${t("games.no_data_hint")}</p>`;
  if (!game.downloaded) return mayDownload ? null : html`<p class="hint">${t("games.may_not")}</p>`;
  if (isPlayable(launch)) return null;
  if (!launch.launchCommand) return html`<p class="hint">${t("games.no_command")}</p>`;
  return html`<p class="hint">${launch.platform ? t("games.not_playable_on", { platform: launch.platform }) : t("games.not_playable")}</p>`;
}

function Archives({ game, job, reload }) {
  const mayRemove = useMayDownload();
  const [removed, setRemoved] = useState(null);
  const element = useKeptFocus(game.gameData.filter((each) => each.downloaded).length);
  const isRunning = (each) => Boolean(job && isActive(job) && job.gameDataId === each.id);
  return html`<section ref=${element} aria-labelledby="archives"><h2 id="archives" tabindex="-1">${t("games.archives")}</h2>
    ${game.gameData.length === 0 && html`<p class="quiet">${t("games.no_data_hint")}</p>`}
    <ul class="list">${game.gameData.map((each) => html`<li key=${each.id} class="archive">
      <div class="grow"><p><bdi>${each.title}</bdi> ${each.downloaded && html`<span class="tag good">${t("games.states.downloaded")}</span>`}
          ${isRunning(each) && html`<span class="tag">${t("games.states.running")}</span>`}</p>
        <p class="small quiet">${t("games.data_facts", { date: formatDate(each.dateAdded), size: formatSize(each.size) })}</p>
        <p class="small quiet digest"><abbr title=${t("games.sha256_hint")}>${DIGEST}</abbr> <code dir="ltr">${each.sha256}</code></p></div>
      ${each.downloaded && mayRemove && html`<${Button} icon="trash" aria-label=${t("games.remove_title", { title: each.title })} onClick=${() => setRemoved(each)}>${t("games.remove")}<//>`}
    </li>`)}</ul>
    ${removed && html`<${RemoveDialog} game=${game} data=${removed} onRemoved=${reload} onClose=${() => setRemoved(null)} />`}
  </section>`;
}
