/* Games: the catalogue, one game, its page to play, and the list of downloads. */

import { html, useEffect, useRef } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { say } from "../ui/toast.js";
import { Catalogue } from "./catalogue.js";
import { Details } from "./details.js";
import { onEnded } from "./downloads.js";
import { DownloadList } from "./download_list.js";
import { Play } from "./play.js";
import { failureText } from "./failures.js";

export default function GamesPage({ labels }) {
  const [first, second] = labels;
  const isFirst = useRef(true);
  useEffect(() => onEnded(tell), []);
  useEffect(() => {
    if (!isFirst.current) document.getElementById("main").focus({ preventScroll: true });
    isFirst.current = false;
    window.scrollTo(0, 0);
    if (first === undefined || first === "downloads") document.title = `${t("games.title")} · ${t("shell.product")}`;
  }, [labels.join("/")]);
  if (first === undefined) return html`<${Catalogue} />`;
  if (first === "downloads") return html`<${DownloadList} />`;
  if (second === "play") return html`<${Play} key=${first} id=${first} />`;
  return html`<${Details} key=${first} id=${first} />`;
}

function tell(job) {
  const { title } = job;
  if (job.status === "completed") say(t("games.is_here", { title }));
  else if (job.status === "cancelled") say(t("games.was_cancelled", { title }));
  else say(`${t("games.failed", { title })} ${failureText(job.error)}`, { isProblem: true });
}
