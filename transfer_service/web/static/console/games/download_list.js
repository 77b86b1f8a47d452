/* Every download, whoever began it: what runs, then what was, the latest first. */

import { html, useRef } from "../../vendor/htm-preact.js";
import { formatInstant, formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { hrefOf, Link } from "../core/router.js";
import { Icon } from "../ui/icon.js";
import { useKeptFocus } from "../ui/kept_focus.js";
import { More } from "../ui/paging.js";
import { Empty, Failed, Loading } from "../ui/states.js";
import { AgainButton, CancelButton, useMayDownload } from "./actions.js";
import { isActive, keyOf, latestOf, look, lookFurther, useDownloads } from "./downloads.js";
import { failureText } from "./failures.js";
import { DownloadProgress } from "./progress.js";
import { remembered } from "./remembered.js";

const KINDS = { completed: "tag good", error: "tag bad", cancelled: "tag" };

export function DownloadList() {
  const { jobs, cursor, isLoaded, error } = useDownloads();
  const mayDownload = useMayDownload();
  return html`<p class="back"><${Link} class="button quiet" href=${remembered.catalogue}><${Icon} name="back" /><span>${t("games.back")}</span><//></p>
    <header class="page-head"><h1>${t("games.downloads")}</h1></header>
    ${!isLoaded && (error ? html`<${Failed} error=${error} onRetry=${look} />` : html`<${Loading} />`)}
    ${isLoaded && jobs.length === 0 && html`<${Empty} icon="download" title=${t("games.no_downloads")}><p>${t("games.no_downloads_hint")}</p><//>`}
    <ul class="list games">${jobs.map((job) => html`<${Row} key=${keyOf(job)} job=${job} mayDownload=${mayDownload} isLatest=${latestOf(jobs, job.gameId) === job} />`)}</ul>
    <${More} hasMore=${cursor} readOn=${lookFurther} place="pages">${t("games.older")}<//>`;
}

function Row({ job, mayDownload, isLatest }) {
  const isRunning = isActive(job);
  const title = useRef();
  const element = useKeptFocus(job, () => title.current.querySelector("a"));
  const mayRepeat = mayDownload && isLatest && (job.status === "error" || job.status === "cancelled");
  return html`<li class="game">
    <div ref=${title} class="grow">
      <${Link} class="game-title" href=${hrefOf("games", job.gameId)}><bdi>${job.title}</bdi><//>
      ${isRunning ? html`<${DownloadProgress} job=${job} />` : html`<p class="small quiet"><span class=${KINDS[job.status]}>${t(`games.states.${job.status}`)}</span>${" "}
        ${t("games.job_facts", { at: formatInstant(job.finishedAt ?? job.startedAt), size: formatSize(job.totalBytes) })}</p>`}
      ${job.status === "error" && html`<p class="small failed">${failureText(job.error)}</p>`}
    </div>
    <div ref=${element} class="game-actions">
      ${isRunning && mayDownload && html`<${CancelButton} job=${job} />`}
      ${mayRepeat && html`<${AgainButton} job=${job} />`}
    </div>
  </li>`;
}
