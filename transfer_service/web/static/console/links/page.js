/* The links of an account: what goes out by them, what came in, and how long they last. */

import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { hrefOf, Link } from "../core/router.js";
import { Button } from "../ui/button.js";
import { Icon } from "../ui/icon.js";
import { More } from "../ui/paging.js";
import { Empty, Failed, Loading } from "../ui/states.js";
import { say } from "../ui/toast.js";
import { doLater, sendPatiently } from "../ui/undo.js";
import { LinkDetails } from "./details.js";
import { LinkRow } from "./row.js";
import { nameOf } from "./states.js";
import { UploadLinkDialog } from "./upload_dialog.js";
import { useLinks } from "./use_links.js";

const TICK_MS = 30_000;

export default function Page() {
  const { links, error, hasMore, reload, more, hide, show } = useLinks();
  const [dialog, setDialog] = useState(null);
  const now = useNow();
  const { list, focusAt } = useFocusedRow(links);
  const revoke = (link) => {
    focusAt(links.indexOf(link));
    hide(link.id);
    doLater(t("links.revoked", { name: nameOf(link) }), {
      send: (isLeaving) => sendPatiently((keepalive) => api("DELETE", `/api/links/${link.id}`, { keepalive }), isLeaving).catch((problem) => {
        if (problem.status === 404) return;
        show(link.id);
        say(textOf(problem), { isProblem: true });
      }),
      undo: () => {
        focusAt(0, link.id);
        show(link.id);
      },
    });
  };
  return html`<header class="page-head"><h1>${t("links.title")}</h1>
      <${Button} kind="primary" icon="plus" onClick=${() => setDialog({ Shown: UploadLinkDialog })}>${t("links.upload.new")}<//></header>
    ${error && !links ? html`<${Failed} error=${error} onRetry=${reload} />` : !links ? html`<${Loading} />` : !links.length ? html`<${NoLinks} />` : html`
      <ul class="list links" ref=${list} aria-label=${t("links.title")}>
        ${links.map((link) => html`<${LinkRow} key=${link.id} link=${link} now=${now} onRevoke=${revoke} onDetails=${() => setDialog({ Shown: LinkDetails, link })} />`)}
      </ul>
      <${More} hasMore=${hasMore} readOn=${more} place="links-more">${t("links.more")}<//>`}
    ${dialog && html`<${dialog.Shown} link=${dialog.link} onMade=${reload} onClose=${() => setDialog(null)} />`}`;
}

/* What both kinds are for, where there is none yet. */
function NoLinks() {
  return html`<${Empty} icon="link" title=${t("links.empty.title")}>
    <ul class="link-kinds">
      <li><${Icon} name="share" /><h3>${t("links.empty.send")}</h3><p>${t("links.empty.send_text")}</p><p><${Link} href=${hrefOf("files")}>${t("links.empty.to_files")}<//></p></li>
      <li><${Icon} name="upload" /><h3>${t("links.empty.receive")}</h3><p>${t("links.empty.receive_text")}</p></li>
    </ul>
  <//>`;
}

/* The present, often enough for what says how long there is. */
function useNow() {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/* A row that goes away leaves the focus to the one in its place, or to the page; one that comes back takes it. */
function useFocusedRow(links) {
  const list = useRef();
  const wanted = useRef(null);
  useEffect(() => {
    if (!wanted.current) return;
    const { place, id } = wanted.current;
    wanted.current = null;
    const at = id ? links.findIndex((link) => link.id === id) : Math.min(place, links.length - 1);
    const row = list.current?.children[at];
    (row?.querySelector("[aria-haspopup]") ?? document.getElementById("main")).focus();
  }, [links]);
  return { list, focusAt: (place, id = null) => { wanted.current = { place, id }; } };
}
