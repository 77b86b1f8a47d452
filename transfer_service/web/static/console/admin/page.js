/* The page admin: its parts, and who may see which. */

import { html, useEffect, useRef } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { hrefOf, Link } from "../core/router.js";
import { account } from "../core/session.js";
import { useStore } from "../core/store.js";
import { NotFound } from "../shell/not_found.js";
import { Empty, Loading } from "../ui/states.js";
import { Accounts } from "./accounts.js";
import { Activities, READER } from "./activities.js";
import { Health } from "./health.js";
import { Transfers } from "./transfers.js";
import { Usage } from "./usage.js";
import { Webhooks } from "./webhooks.js";

const PARTS = { accounts: Accounts, usage: Usage, transfers: Transfers, activities: Activities, webhooks: Webhooks, health: Health };

/* Whoever may read the audit log sees that alone. */
function partsFor(me) {
  if (me?.is_admin) return Object.keys(PARTS);
  return me?.permissions.includes(READER) ? ["activities"] : [];
}

export default function Page({ labels }) {
  const me = useStore(account);
  const parts = partsFor(me);
  const name = labels[0] ?? parts[0];
  const isKnown = Object.hasOwn(PARTS, name ?? "") && labels.length <= 1;
  const tabs = useRef();
  useEffect(() => {
    tabs.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    document.title = `${isKnown ? `${t(`admin.${name}.title`)} · ` : ""}${t("shell.admin")} · ${t("shell.product")}`;
  }, [name]);
  if (me?.isUnknown) return html`<${Loading} />`; // the service does not answer: the session asks again
  if (parts.length && !isKnown) return html`<${NotFound} />`;
  if (!parts.includes(name)) return html`<header class="page-head"><h1>${t("shell.admin")}</h1></header><${Empty} icon="lock" title=${t("admin.only.title")}><p>${t("admin.only.text")}</p><//>`;
  const Part = PARTS[name];
  return html`
    ${parts.length > 1 && html`<nav ref=${tabs} class="tabs" aria-label=${t("admin.parts")}>
      ${parts.map((each) => html`<${Link} key=${each} href=${hrefOf("admin", each)} aria-current=${each === name ? "page" : undefined}>${t(`admin.${each}.title`)}<//>`)}
    </nav>`}
    <${Part} key=${name} />`;
}
