/* Who is signed in, what that account may, and how full it is. */

import { html } from "../../vendor/htm-preact.js";
import { formatPercent, formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { WholeBar } from "../ui/bars.js";
import { Part } from "./part.js";

const NEARLY = 0.9;
const PERMISSIONS = { "games.download": "account.permissions.games_download", "activities.read": "account.permissions.activities_read" };

export function Room({ me }) {
  const rights = me.permissions.map((each) => (each in PERMISSIONS ? t(PERMISSIONS[each]) : each));
  if (me.is_admin) rights.unshift(t("account.permissions.admin"));
  return html`<${Part} name="profile">
    <p class="account-name"><bdi>${me.name}</bdi></p>
    ${rights.length > 0 ? html`<ul class="rights" aria-label=${t("account.permissions.title")}>${rights.map((each) => html`<li class="tag" key=${each}>${each}</li>`)}</ul>`
      : html`<p class="quiet">${t("account.permissions.none")}</p>`}
    ${!me.isUnknown && html`<${Used} used=${me.used_bytes} quota=${me.quota_bytes} />`}
  <//>`;
}

function Used({ used, quota }) {
  if (quota === null) return html`<p>${t("account.room.unlimited", { used: formatSize(used) })}</p>`;
  const share = quota > 0 ? used / quota : 1;
  const text = t("account.room.of", { used: formatSize(used), quota: formatSize(quota), share: formatPercent(share) });
  return html`<div class="room"><${WholeBar} used=${used} free=${Math.max(quota - used, 0)} title=${t("account.room.title")} text=${text} />
    <p>${text}</p>
    ${share >= NEARLY && html`<p class="nearly">${t(share >= 1 ? "account.room.full" : "account.room.nearly")}</p>`}</div>`;
}
