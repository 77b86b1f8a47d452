/* Keys: what devices and programs sign in with, each for some kinds of calls only. */

import { html, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { formatDate, formatInstant, formatRelative, formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { Button } from "../ui/button.js";
import { CopyField } from "../ui/copy_field.js";
import { Dialog, FormDialog } from "../ui/dialog.js";
import { useKeptFocus } from "../ui/kept_focus.js";
import { More } from "../ui/paging.js";
import { Failed, Loading } from "../ui/states.js";
import { say } from "../ui/toast.js";
import { NewKey } from "./new_key.js";
import { usePages } from "./pages.js";
import { Part } from "./part.js";

export function Keys() {
  const { items: keys, error, reload, change, ...rest } = usePages("/auth/keys", "keys");
  const [dialog, setDialog] = useState({});
  const element = useKeptFocus(keys);
  const close = () => setDialog({});
  const added = ({ key, ...made }) => {
    change((old) => [made, ...old]);
    setDialog({ made: { ...made, key } });
  };
  const revoked = (key) => change((old) => old.filter((each) => each.id !== key.id));
  return html`<${Part} name="keys"><div ref=${element} class="form">
      <p><${Button} icon="plus" onClick=${() => setDialog({ isNew: true })}>${t("account.keys.new")}<//></p>
      ${error ? html`<${Failed} error=${error} onRetry=${reload} />` : keys === undefined ? html`<${Loading} />`
        : keys.length === 0 ? html`<p class="quiet">${t("account.keys.none")}</p>`
        : html`<ul class="list" aria-label=${t("account.keys.title")}>${keys.map((key) => html`<${Row} key=${key.id} shown=${key} onRevoke=${() => setDialog({ revoked: key })} />`)}</ul>`}
      <${More} ...${rest}>${t("account.more")}<//>
    </div>
    ${dialog.isNew && html`<${NewKey} onMade=${added} onClose=${() => setDialog((old) => (old.made ? old : {}))} />`}
    ${dialog.made && html`<${Made} made=${dialog.made} onClose=${close} />`}
    ${dialog.revoked && html`<${Revoke} revoked=${dialog.revoked} onRevoked=${revoked} onClose=${close} />`}
  <//>`;
}

function Row({ shown, onRevoke }) {
  const { name, scopes, created_at: made, last_used_at: used, expires_at: ends, quota_bytes: quota, used_bytes: stored } = shown;
  const isOver = ends !== null && new Date(ends) <= new Date();
  const facts = [
    t("account.keys.made_on", { date: formatDate(made) }),
    used ? html`<span title=${formatInstant(used)}>${t("account.keys.used", { when: formatRelative(used) })}</span>` : t("account.keys.never_used"),
    ends === null ? t("account.keys.endless") : t(isOver ? "account.keys.ended" : "account.keys.ends", { date: formatDate(ends) }),
    quota === null ? null : t("account.keys.room", { used: formatSize(stored), quota: formatSize(quota) }),
  ].filter(Boolean);
  return html`<li class="key">
    <div class="grow">
      <p><strong><bdi>${name}</bdi></strong> ${isOver && html`<span class="tag bad">${t("account.keys.over")}</span>`}</p>
      <p class="small quiet">${facts.flatMap((fact, place) => [place ? " · " : "", fact])}</p>
      <ul class="rights">${scopes.map((scope) => html`<li class="tag" key=${scope}>${t(`account.scopes.${scope}.name`)}</li>`)}</ul>
    </div>
    <${Button} aria-label=${t("account.keys.revoke_name", { name })} onClick=${onRevoke}>${t("account.keys.revoke")}<//>
  </li>`;
}

function Made({ made, onClose }) {
  return html`<${Dialog} title=${t("account.keys.made", { name: made.name })} isKept onClose=${onClose}>
    <p>${t("account.keys.once")}</p>
    <${CopyField} label=${t("account.keys.key")} value=${made.key} hint=${t("account.keys.how")} />
    <footer class="dialog-foot"><${Button} kind="primary" onClick=${onClose}>${t("account.keys.done")}<//></footer>
  <//>`;
}

function Revoke({ revoked, onRevoked, onClose }) {
  const { id, name } = revoked;
  const revoke = async () => {
    await api("DELETE", `/auth/keys/${id}`).catch((error) => {
      if (error.status !== 404) throw error; // it was revoked elsewhere
    });
    setTimeout(onRevoked, 0, revoked); // once the dialog has given the focus back: then it goes to what is near
    say(t("account.keys.revoked", { name }));
  };
  return html`<${FormDialog} title=${t("account.keys.question", { name })} submit=${t("account.keys.revoke")} kind="danger" onSubmit=${revoke} onClose=${onClose}>
    <p>${t("account.keys.revoke_text")}</p>
  <//>`;
}
