/* Health: whether the service can work, which version it is, and the cleanup. */

import { html } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { t } from "../core/messages.js";
import { BASE, VERSION } from "../core/page.js";
import { Icon } from "../ui/icon.js";
import { usePolled } from "../ui/poll.js";
import { Loading } from "../ui/states.js";
import { Cleanup } from "./cleanup.js";

const SECONDS = 10;
const LINKS = [["docs", "/docs"], ["openapi", "/openapi.yaml"], ["readyz", "/readyz"], ["healthz", "/healthz"]];

export function Health() {
  return html`<header class="page-head"><h1>${t("admin.health.title")}</h1><p class="quiet">${t("shell.version", { version: VERSION })}</p></header>
    <${Readiness} />
    <${Cleanup} />
    <section class="block"><h2>${t("admin.health.more")}</h2>
      <ul class="links">${LINKS.map(([name, path]) => html`<li key=${name}><a href=${`${BASE}${path}`}>${t(`admin.health.${name}`)}</a></li>`)}</ul>
      <p class="hint">${t("admin.health.metrics")}</p>
    </section>`;
}

/* "Not ready" is an answer too: it says why. */
async function ask(signal) {
  try {
    const { status } = await api("GET", "/readyz", { signal });
    return { state: status === "degraded" ? "degraded" : "ready" };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return error.status === 503 ? { state: "broken", reason: error.detail } : { state: "away" };
  }
}

function Readiness() {
  const { value } = usePolled(ask, SECONDS, []);
  if (!value) return html`<${Loading} />`;
  const { state, reason } = value;
  return html`<section class=${`readiness ${state}`} role="status">
    <${Icon} name=${state === "ready" ? "check" : "warning"} />
    <div><h2>${t(`admin.health.state.${state}`)}</h2><p dir=${reason ? "auto" : undefined}>${reason || t(`admin.health.text.${state}`)}</p></div>
  </section>`;
}
