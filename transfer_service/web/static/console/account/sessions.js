/* Where one is signed in, and the end of that. */

import { html, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { formatInstant, formatRelative } from "../core/format.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { Button } from "../ui/button.js";
import { FormDialog } from "../ui/dialog.js";
import { Icon } from "../ui/icon.js";
import { useKeptFocus } from "../ui/kept_focus.js";
import { More } from "../ui/paging.js";
import { Failed, Loading } from "../ui/states.js";
import { say } from "../ui/toast.js";
import { usePages } from "./pages.js";
import { Part } from "./part.js";
import { programOf } from "./programs.js";

const AT_ONCE = 4;
const PAGE = 100;

export function Sessions() {
  const { items, error, reload, change, ...rest } = usePages("/auth/sessions", "sessions");
  const [isAsked, setAsked] = useState(false);
  const element = useKeptFocus(items);
  const sessions = items && [...items].sort((one, other) => other.current - one.current);
  const ended = (id) => change((old) => old.filter((each) => each.id !== id));
  return html`<${Part} name="sessions"><div ref=${element} class="form">
      ${error ? html`<${Failed} error=${error} onRetry=${reload} />` : sessions === undefined ? html`<${Loading} />`
        : html`<ul class="list" aria-label=${t("account.sessions.title")}>${sessions.map((each) => html`<${Row} key=${each.id} session=${each} onEnded=${ended} />`)}</ul>`}
      <${More} ...${rest}>${t("account.more")}<//>
      ${sessions?.length > 1 && html`<p><${Button} onClick=${() => setAsked(true)}>${t("account.sessions.end_others")}<//></p>`}
    </div>
    ${isAsked && html`<${EndOthers} onEnded=${reload} onClose=${() => setAsked(false)} />`}
  <//>`;
}

function nameOf(session) {
  const { program, system } = programOf(session.user_agent);
  if (!program) return t("account.sessions.unknown");
  return system ? t("account.sessions.on", { program, system }) : program;
}

function Row({ session, onEnded }) {
  const [isBusy, setBusy] = useState(false);
  const { id, ip_address: address, created_at: begun, renewed_at: renewed, current, user_agent: agent } = session;
  const name = nameOf(session);
  const finish = async () => {
    if (isBusy) return;
    setBusy(true);
    try {
      await end(id);
      say(t("account.sessions.ended", { name }));
      onEnded(id);
    } catch (error) {
      say(textOf(error), { isProblem: true });
      setBusy(false);
    }
  };
  return html`<li class="session">
    <${Icon} name="device" />
    <div class="grow">
      <p><strong><bdi title=${agent}>${name}</bdi></strong> ${current && html`<span class="tag good">${t("account.sessions.current")}</span>`}</p>
      <p class="small quiet">${address && html`<bdi>${address}</bdi>${" · "}`}<span title=${formatInstant(begun)}>${t("account.sessions.begun", { when: formatRelative(begun) })}</span>
        ${renewed !== begun && html`${" · "}<span title=${formatInstant(renewed)}>${t("account.sessions.renewed", { when: formatRelative(renewed) })}</span>`}</p>
    </div>
    ${!current && html`<${Button} aria-label=${t("account.sessions.end_name", { name })} aria-disabled=${isBusy} onClick=${finish}>${t("account.sessions.end")}<//>`}
  </li>`;
}

function EndOthers({ onEnded, onClose }) {
  const send = async () => {
    try {
      await endOthers();
    } finally {
      onEnded();
    }
    say(t("account.sessions.others_ended"));
  };
  return html`<${FormDialog} title=${t("account.sessions.question")} submit=${t("account.sessions.end_others")} kind="danger" onSubmit=${send} onClose=${onClose}>
    <p>${t("account.sessions.end_text")}</p>
  <//>`;
}

/* Those that are not on the page, too. What signs in meanwhile is not meant. */
async function endOthers() {
  const others = [];
  let cursor = null;
  do {
    const found = await api("GET", "/auth/sessions", { query: { limit: PAGE, cursor } });
    others.push(...found.sessions.filter((each) => !each.current).map((each) => each.id));
    cursor = found.next_cursor;
  } while (cursor);
  while (others.length) await Promise.all(others.splice(0, AT_ONCE).map(end));
}

async function end(id) {
  await api("DELETE", `/auth/sessions/${id}`).catch((error) => {
    if (error.status !== 404) throw error; // it has ended by itself
  });
}
