/* The whole: the question who it is, or the frame with the page that the address names. */

import { html, useEffect } from "../../vendor/htm-preact.js";
import { ApiError } from "../core/api.js";
import { t } from "../core/messages.js";
import { useRoute } from "../core/router.js";
import { account } from "../core/session.js";
import { useStore } from "../core/store.js";
import { useLoaded } from "../ui/load.js";
import { Failed, Loading } from "../ui/states.js";
import { Toasts } from "../ui/toast.js";
import { Frame } from "./frame.js";
import { NotFound } from "./not_found.js";
import { SignIn } from "./sign_in.js";

const PAGES = {
  files: () => import("../files/page.js"),
  links: () => import("../links/page.js"),
  chat: () => import("../chat/page.js"),
  games: () => import("../games/page.js"),
  account: () => import("../account/page.js"),
  trash: () => import("../trash/page.js"),
  admin: () => import("../admin/page.js"),
};

export function App() {
  const me = useStore(account);
  return html`${me === undefined ? html`<${Loading} />` : me === null ? html`<${SignIn} />` : html`<${Signed} key=${me.id} />`}<${Toasts} />`;
}

function Signed() {
  const { labels } = useRoute();
  return html`<${Frame} current=${labels[0]}><${Page} key=${labels[0]} name=${labels[0]} labels=${labels.slice(1)} /><//>`;
}

/* A page is loaded when it is first shown. Each sets its own title. */
function Page({ name, labels }) {
  const isKnown = Object.hasOwn(PAGES, name); // an address may name anything, "constructor" too
  const { value: page, error, reload } = useLoaded(async () => isKnown && PAGES[name]().catch(notLoaded), []);
  useEffect(() => { document.title = isKnown ? `${t(`shell.${name}`)} · ${t("shell.product")}` : t("shell.product"); }, []);
  if (!isKnown) return html`<${NotFound} />`;
  if (error) return html`<${Failed} error=${error} onRetry=${reload} />`;
  if (!page) return html`<${Loading} />`;
  return html`<${page.default} labels=${labels} />`;
}

/* Browsers tell so of a module that has not come. */
function notLoaded(error) {
  throw error instanceof TypeError ? new ApiError(0, "") : error;
}
