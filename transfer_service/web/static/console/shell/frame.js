/* What is around every page: where one may go, who is signed in, and the way out. */

import { html, useEffect, useRef } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { ASSETS, HAS_TRASH } from "../core/page.js";
import { textOf } from "../core/problems.js";
import { hrefOf, Link } from "../core/router.js";
import { account, signOut } from "../core/session.js";
import { useStore } from "../core/store.js";
import { Button } from "../ui/button.js";
import { Icon } from "../ui/icon.js";
import { say } from "../ui/toast.js";
import { finishAll } from "../ui/undo.js";
import { UploadDock } from "../uploads/dock.js";
import { news } from "./news.js";

const PLACES = [["files", "folder"], ["links", "link"], ["chat", "chat"], ["games", "game"], ["trash", "trash"], ["account", "person"], ["admin", "admin"]];

export function Frame({ current, children }) {
  const me = useStore(account);
  const withNews = useStore(news);
  const main = useRef();
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current) main.current.focus({ preventScroll: true });
    isFirst.current = false;
  }, [current]);
  const isShown = (name) => (name !== "trash" || HAS_TRASH) && (name !== "admin" || me?.is_admin || me?.permissions.includes("activities.read"));
  const leave = () => finishAll().then(signOut).catch((error) => say(textOf(error), { isProblem: true }));
  const skip = (event) => {
    event.preventDefault();
    main.current.focus();
  };
  return html`<div class="frame">
    <a class="skip" href="#main" onClick=${skip}>${t("shell.skip")}</a>
    <header class="side">
      <p class="brand"><img src=${`${ASSETS}/console/icon.svg`} alt="" width="28" height="28" /><span>${t("shell.product")}</span></p>
      <nav aria-label=${t("shell.places")}>
        ${PLACES.filter(([name]) => isShown(name)).map(([name, icon]) => html`<${Link} key=${name} href=${hrefOf(name)}
          aria-current=${name === current ? "page" : undefined} class=${withNews.has(name) ? "with-news" : undefined}
          aria-description=${withNews.has(name) ? t("shell.news") : undefined}><${Icon} name=${icon} /><span>${t(`shell.${name}`)}</span><//>`)}
      </nav>
      <div class="me"><bdi class="who" title=${me?.name}>${me?.name}</bdi><${Button} kind="quiet" icon="out" onClick=${leave}>${t("shell.sign_out")}<//></div>
    </header>
    <main id="main" ref=${main} tabindex="-1" aria-label=${PLACES.some(([name]) => name === current) ? t(`shell.${current}`) : undefined}>${children}</main>
    <${UploadDock} current=${current} />
  </div>`;
}
