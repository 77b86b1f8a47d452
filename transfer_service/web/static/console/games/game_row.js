/* One game in the catalogue: what it is, and what may be done with it. */

import { html } from "../../vendor/htm-preact.js";
import { formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { hrefOf, Link } from "../core/router.js";
import { Icon } from "../ui/icon.js";
import { useKeptFocus } from "../ui/kept_focus.js";
import { CancelButton, DownloadButton } from "./actions.js";
import { isActive } from "./downloads.js";
import { failureText } from "./failures.js";
import { usePlayable } from "./launches.js";
import { DownloadProgress } from "./progress.js";

const TAGS = 6;

/** `job` is the game's last download, if there was one. */
export function GameRow({ game, job, mayDownload }) {
  const isRunning = Boolean(job && isActive(job));
  const element = useKeptFocus(`${isRunning} ${game.downloaded}`, () => document.getElementById(`game-${game.id}`));
  const canPlay = usePlayable(game, element);
  const hasFailed = job?.status === "error" && !game.downloaded;
  return html`<li class="game">
    <div class="grow">
      <${Link} id=${`game-${game.id}`} class="game-title" href=${hrefOf("games", game.id)}><bdi>${game.title}</bdi><//>
      <p class="small quiet">${factsOf(game)}</p>
      <${Tags} tags=${game.tags} most=${TAGS} />
      ${isRunning && html`<${DownloadProgress} job=${job} />`}
      ${hasFailed && html`<p class="small failed">${failureText(job.error)}</p>`}
    </div>
    <div ref=${element} class="game-actions">
      ${isRunning ? mayDownload && html`<${CancelButton} job=${job} />` : html`<${Actions} game=${game} canPlay=${canPlay} mayDownload=${mayDownload} />`}
    </div>
  </li>`;
}

function Actions({ game, canPlay, mayDownload }) {
  if (canPlay) return html`<${PlayLink} id=${game.id} title=${game.title} />`;
  if (game.downloaded) return html`<span class="tag good">${t("games.states.downloaded")}</span>`;
  if (mayDownload && game.gameData.length) return html`<${DownloadButton} game=${game} />`;
  return html`<span class="tag">${t(game.gameData.length ? "games.states.missing" : "games.states.no_data")}</span>`;
}

/** The way to the page where a game is played. */
export function PlayLink({ id, title, kind = "plain" }) {
  return html`<${Link} class=${`button ${kind}`} href=${hrefOf("games", id, "play")} aria-label=${t("games.play_title", { title })}><${Icon} name="play" /><span>${t("games.play")}</span><//>`;
}

/** Words that a game is filed under, at most so many. */
export function Tags({ tags, most = Infinity }) {
  if (!tags?.length) return null;
  const rest = tags.length - most;
  return html`<ul class="game-tags">${tags.slice(0, most).map((tag) => html`<li class="tag" key=${tag}><bdi>${tag}</bdi></li>`)}
    ${rest > 0 && html`<li class="small quiet">${t("games.more_tags", { count: rest })}</li>`}</ul>`;
}

function factsOf(game) {
  const size = game.gameData.length === 1 ? formatSize(game.gameData[0].size) : null;
  const facts = [game.platform, game.developer, /\d{4}/.exec(game.releaseDate ?? "")?.[0], size].filter(Boolean);
  return facts.flatMap((fact, place) => [place ? " · " : "", html`<bdi>${fact}</bdi>`]);
}
