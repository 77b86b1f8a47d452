/* A game in a frame that is shut off: it runs its scripts, and reads nothing of the console (docs/remote-downloads.md). */

import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { request, urlOf } from "../core/api.js";
import { t } from "../core/messages.js";
import { hrefOf, Link } from "../core/router.js";
import { Button } from "../ui/button.js";
import { Icon } from "../ui/icon.js";
import { useLoaded } from "../ui/load.js";
import { Empty, Failed, Loading } from "../ui/states.js";
import { isPlayable, launchOf } from "./launches.js";

const COOKIES = "allow-same-site-none-cookies";
/* What the service's own answer allows; never `allow-same-origin`, which would hand the console over. */
const SANDBOX = `allow-scripts allow-forms allow-modals allow-popups allow-pointer-lock allow-downloads ${COOKIES}`;
const FEATURES = "fullscreen; gamepad; autoplay";

export function Play({ id }) {
  const { value: launch, error, reload } = useLoaded((signal) => ask(id, signal), [id]);
  useEffect(() => { if (launch) document.title = `${launch.title} · ${t("shell.product")}`; }, [launch]);
  const problems = { 404: t("games.no_page"), 422: t("games.unreadable") };
  return html`<p class="back"><${Link} class="button quiet" href=${hrefOf("games", id)}><${Icon} name="back" /><span>${t("games.to_details")}</span><//></p>
    ${error ? html`<${Failed} error=${error} onRetry=${reload} problems=${problems} />` : launch === undefined ? html`<${Loading} />`
      : html`<${Shown} launch=${launch} />`}`;
}

/* The page is looked at before it is shown: a frame cannot say in words why there is none. */
async function ask(id, signal) {
  const launch = await launchOf(id, signal);
  if (isPlayable(launch)) await request("HEAD", launch.contentUrl, { signal });
  return launch;
}

/* A game's pictures, styles and scripts need a cookie that browsers do not send out of such a frame everywhere. */
function whatIsMissing() {
  if (!window.isSecureContext) return "games.needs_https";
  return document.createElement("iframe").sandbox.supports(COOKIES) ? null : "games.needs_chromium";
}

function Shown({ launch }) {
  const [isBold, setBold] = useState(false);
  const { title, platform, downloaded } = launch;
  if (!downloaded) return html`<${Empty} icon="download" title=${t("games.not_here", { title })}><p>${t("games.not_here_hint")}</p><//>`;
  if (!isPlayable(launch)) {
    return html`<${Empty} icon="game" title=${t("games.cannot_play", { title })}><p>${platform ? t("games.not_playable_on", { platform }) : t("games.not_playable")}</p><//>`;
  }
  const missing = isBold ? null : whatIsMissing();
  if (missing) {
    return html`<${Empty} icon="lock" title=${t("games.may_fail", { title })}><p>${t(missing)}</p>
      <${Button} onClick=${() => setBold(true)}>${t("games.try_anyway")}<//><//>`;
  }
  return html`<${Stage} title=${title} address=${urlOf(launch.contentUrl)} />`;
}

function Stage({ title, address }) {
  const frame = useRef();
  const [turn, setTurn] = useState(1);
  const fill = () => frame.current.requestFullscreen().then(() => frame.current.focus(), () => {});
  return html`<header class="page-head play-head"><h1 dir="auto">${title}</h1>
      <${Button} icon="refresh" onClick=${() => setTurn(turn + 1)}>${t("games.restart")}<//>
      ${document.fullscreenEnabled && html`<${Button} kind="primary" icon="fullscreen" onClick=${fill}>${t("games.fullscreen")}<//>`}
    </header>
    <iframe key=${turn} ref=${frame} class="game-stage" title=${title} sandbox=${SANDBOX} allow=${FEATURES} referrerpolicy="same-origin" src=${address}></iframe>
    <p class="hint">${t("games.stage_hint")}</p>`;
}
