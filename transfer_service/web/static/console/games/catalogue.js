/* The catalogue of games: searched, sorted and paged by its address. */

import { html, useEffect } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { t } from "../core/messages.js";
import { persist } from "../core/passing.js";
import { hrefOf, Link, navigate, useRoute } from "../core/router.js";
import { account } from "../core/session.js";
import { Button } from "../ui/button.js";
import { SearchField, Select } from "../ui/field.js";
import { Icon } from "../ui/icon.js";
import { useLoaded } from "../ui/load.js";
import { useSearch } from "../ui/search.js";
import { Empty, Failed, Loading } from "../ui/states.js";
import { CancelButton, useMayDownload } from "./actions.js";
import { isActive, latestOf, onEnded, useDownloads } from "./downloads.js";
import { GameRow } from "./game_row.js";
import { DownloadProgress } from "./progress.js";
import { remembered } from "./remembered.js";

const LIMIT = 100;
const SORTS = {
  title: ["title", "asc"],
  "-title": ["title", "desc"],
  "-added": ["dateAdded", "desc"],
  "-released": ["releaseDate", "desc"],
  released: ["releaseDate", "asc"],
};
const IMPORT = "flask --app wsgi games import catalogue.json";
const DEFAULT_SORT = "title";

export function Catalogue() {
  const asked = readQuery(useRoute().query);
  const { value, error, reload, setValue } = useLoaded((signal) => ask(asked, signal), [asked.search, asked.sort, asked.page]);
  const { jobs } = useDownloads();
  useEffect(() => onEnded((job) => freshen(job.gameId, setValue)), []);
  useEffect(() => { remembered.catalogue = hrefFor(asked); });
  useEffect(() => window.scrollTo(0, 0), [asked.page]);
  useEffect(() => { if (value) showAgain(); }, [Boolean(value)]);
  const total = value?.pagination.total;
  return html`<header class="page-head"><h1>${t("games.title")}</h1>
      <${Link} class="button quiet" href=${hrefOf("games", "downloads")}><${Icon} name="download" /><span>${t("games.downloads")}</span><//>
    </header>
    <${Tools} asked=${asked} total=${total} />
    ${value && html`<${Elsewhere} jobs=${jobs} games=${value.games} />`}
    ${error ? html`<${Failed} error=${error} onRetry=${reload} />` : value === undefined ? html`<${Loading} />`
      : html`<${Found} asked=${asked} value=${value} jobs=${jobs} />`}`;
}

function readQuery(query) {
  const sort = query.get("sort");
  const page = Number(query.get("page"));
  return { search: query.get("search") ?? "", sort: sort in SORTS ? sort : DEFAULT_SORT, page: Number.isInteger(page) && page > 0 ? page : 1 };
}

function hrefFor({ search, sort, page }) {
  const parameters = new URLSearchParams();
  if (search) parameters.set("search", search);
  if (sort !== DEFAULT_SORT) parameters.set("sort", sort);
  if (page > 1) parameters.set("page", page);
  return `${hrefOf("games")}${parameters.size ? `?${parameters}` : ""}`;
}

async function ask({ search, sort, page }, signal) {
  const [sortBy, sortOrder] = SORTS[sort];
  const found = await api("GET", "/api/games", { query: { search, sortBy, sortOrder, page, limit: LIMIT }, signal });
  const { totalPages } = found.pagination;
  if (page > totalPages && totalPages > 0) navigate(hrefFor({ search, sort, page: totalPages }), { replace: true });
  return found;
}

/* Of a game whose download has ended the catalogue says something else now. */
async function freshen(gameId, setValue) {
  const game = await persist(() => api("GET", `/api/games/${encodeURIComponent(gameId)}`)).catch(() => null);
  if (!game) return;
  setValue((old) => old && { ...old, games: old.games.map((each) => (each.id === game.id ? game : each)) });
}

/* Who comes back from a game finds the place again. */
function showAgain() {
  const link = remembered.gameId && document.getElementById(`game-${remembered.gameId}`);
  remembered.gameId = null;
  link?.focus();
}

function Tools({ asked, total }) {
  const { text, type } = useSearch({ asked: asked.search, onSearch: (search) => navigate(hrefFor({ ...asked, search, page: 1 }), { replace: true }) });
  const sorts = Object.keys(SORTS).map((each) => [each, t(`games.sorts.${each}`)]);
  const sort = (event) => navigate(hrefFor({ ...asked, sort: event.target.value, page: 1 }));
  return html`<div class="game-tools" role="search">
    <${SearchField} label=${t("games.search")} placeholder=${t("games.search_hint")} value=${text} maxlength="255" onInput=${type} />
    <${Select} label=${t("games.sort")} options=${sorts} value=${asked.sort} onChange=${sort} />
    <p class="small quiet" role="status">${total === undefined ? "" : t("games.count", { count: total })}</p>
  </div>`;
}

function Found({ asked, value, jobs }) {
  const mayDownload = useMayDownload();
  const { games, pagination } = value;
  if (games.length === 0) return html`<${Nothing} asked=${asked} />`;
  return html`<ul class="list games">${games.map((game) => html`<${GameRow} key=${game.id} game=${game} job=${latestOf(jobs, game.id)} mayDownload=${mayDownload} />`)}</ul>
    ${pagination.totalPages > 1 && html`<${Pages} asked=${asked} last=${pagination.totalPages} />`}`;
}

function Nothing({ asked }) {
  const again = () => {
    navigate(hrefFor({ ...asked, search: "", page: 1 }), { replace: true });
    document.querySelector(".game-tools input")?.focus();
  };
  if (asked.search) {
    return html`<${Empty} icon="search" title=${t("games.none_found", { search: asked.search })}><p>${t("games.none_found_hint")}</p>
      <${Button} onClick=${again}>${t("games.show_all")}<//><//>`;
  }
  return html`<${Empty} icon="game" title=${t("games.empty")}><p>${t(account.get()?.is_admin ? "games.empty_admin" : "games.empty_others")}</p>
    <pre class="command"><code>${IMPORT}</code></pre><//>`;
}

function Pages({ asked, last }) {
  const { page } = asked;
  const turn = (to, label, icon) => (to < 1 || to > last ? html`<span></span>`
    : html`<${Link} class="button plain" href=${hrefFor({ ...asked, page: to })}><${Icon} name=${icon} /><span>${label}</span><//>`);
  return html`<nav class="pages" aria-label=${t("games.pages")}>${turn(page - 1, t("games.previous"), "back")}
    <span class="small quiet">${t("games.page", { page, last })}</span>${turn(page + 1, t("games.next"), "forward")}</nav>`;
}

/* What runs of games that are not on this page of the catalogue. */
function Elsewhere({ jobs, games }) {
  const mayDownload = useMayDownload();
  const shown = new Set(games.map((game) => game.id));
  const running = jobs.filter((job) => isActive(job) && !shown.has(job.gameId));
  if (running.length === 0) return null;
  return html`<section class="elsewhere" aria-label=${t("games.running")}><h2>${t("games.running")}</h2>
    <ul class="list games">${running.map((job) => html`<li class="game" key=${job.gameId}>
      <div class="grow"><${Link} class="game-title" href=${hrefOf("games", job.gameId)}><bdi>${job.title}</bdi><//><${DownloadProgress} job=${job} /></div>
      ${mayDownload && html`<div class="game-actions"><${CancelButton} job=${job} /></div>`}
    </li>`)}</ul></section>`;
}
