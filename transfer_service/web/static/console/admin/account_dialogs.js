/* What is asked about an account: a new one, what it may do, a password, and its end. */

import { html, useRef, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { account as own, refresh } from "../core/session.js";
import { CopyField } from "../ui/copy_field.js";
import { Button } from "../ui/button.js";
import { Dialog, FormDialog } from "../ui/dialog.js";
import { Checkbox, Field } from "../ui/field.js";
import { say } from "../ui/toast.js";
import { quotaOf, QuotaField } from "./quota_field.js";

const PERMISSIONS = ["activities.read", "games.download"];
const KINDS = { new: NewAccount, made: Made, edit: Edit, password: Password, disable: Disable, enable: Enable, delete: Delete };

/** The dialog of a `kind`; `change` has `added`, `changed(account)` and `removed(account)` for the list, `onNext` shows another one. */
export function AccountDialog({ kind, ...rest }) {
  const Shown = KINDS[kind];
  return html`<${Shown} ...${rest} />`;
}

const pathOf = (account) => `/api/admin/accounts/${encodeURIComponent(account.name)}`;
const problemsOf = () => ({ 409: t("admin.accounts.last_admin"), 404: t("admin.accounts.gone") });

async function patch(account, json, change) {
  const changed = await api("PATCH", pathOf(account), { json });
  change.changed(changed);
  if (account.id === own.get()?.id) await refresh();
}

function NewAccount({ change, onClose, onNext }) {
  const [isChosen, setChosen] = useState(false);
  const made = useRef(null);
  const create = async (fields) => {
    const password = isChosen ? { password: fields.get("password") } : {};
    const json = { name: fields.get("name"), ...rightsOf(fields), quota_bytes: quotaOf(fields), ...password };
    made.current = await api("POST", "/api/admin/accounts", { json });
    change.added();
  };
  const close = () => (made.current ? onNext({ kind: "made", account: made.current }) : onClose());
  return html`<${FormDialog} title=${t("admin.accounts.new")} submit=${t("admin.accounts.create")} onSubmit=${create} onClose=${close}
    problems=${{ 409: t("admin.accounts.taken") }}>
    <${Field} label=${t("admin.accounts.name")} name="name" required maxlength="255" autocapitalize="none" autocomplete="off" spellcheck="false" autofocus />
    <${Rights} />
    <${QuotaField} value=${null} />
    <${Checkbox} label=${t("admin.accounts.choose_password")} hint=${t("admin.accounts.choose_password_hint")} checked=${isChosen} onChange=${(event) => setChosen(event.target.checked)} />
    ${isChosen && html`<${PasswordField} />`}
  <//>`;
}

function PasswordField(attributes) {
  return html`<${Field} label=${t("admin.accounts.new_password")} name="password" type="password" required minlength="8" autocomplete="new-password"
    hint=${t("admin.accounts.password_hint")} ...${attributes} />`;
}

function Made({ account, onClose }) {
  return html`<${Dialog} title=${t("admin.accounts.made", { name: account.name })} isKept=${Boolean(account.password)} onClose=${onClose}>
    ${account.password
      ? html`<${CopyField} label=${t("admin.accounts.new_password")} value=${account.password} hint=${t("admin.accounts.once")} />`
      : html`<p>${t("admin.accounts.made_text")}</p>`}
    <footer class="dialog-foot"><${Button} kind="primary" onClick=${onClose}>${t("admin.done")}<//></footer>
  <//>`;
}

function Rights({ account }) {
  const held = account?.permissions ?? [];
  const all = [...new Set([...PERMISSIONS, ...held])];
  return html`<fieldset class="choices"><legend>${t("admin.accounts.rights")}</legend>
    <${Checkbox} label=${t("admin.accounts.is_admin")} hint=${t("admin.accounts.is_admin_hint")} name="is_admin" defaultChecked=${account?.is_admin} />
    ${all.map((permission) => html`<${Checkbox} key=${permission} label=${PERMISSIONS.includes(permission) ? t(`admin.permission.${permission}`) : permission}
      name="permissions" value=${permission} defaultChecked=${held.includes(permission)} />`)}
  </fieldset>`;
}

function rightsOf(fields) {
  return { is_admin: fields.has("is_admin"), permissions: fields.getAll("permissions") };
}

function Edit({ account, change, onClose }) {
  const save = async (fields) => {
    const { is_admin: isAdmin, permissions } = rightsOf(fields);
    const quota = quotaOf(fields, account.quota_bytes);
    const json = {};
    if (isAdmin !== account.is_admin) json.is_admin = isAdmin;
    if (String(permissions.sort()) !== String([...account.permissions].sort())) json.permissions = permissions;
    if (quota !== account.quota_bytes) json.quota_bytes = quota;
    if (Object.keys(json).length) await patch(account, json, change);
    say(t("admin.accounts.saved", { name: account.name }));
  };
  return html`<${FormDialog} title=${account.name} submit=${t("common.save")} onSubmit=${save} onClose=${onClose} problems=${problemsOf()}>
    <${Rights} account=${account} />
    <${QuotaField} value=${account.quota_bytes} general=${account.quota_bytes === null ? account.effective_quota_bytes : undefined} used=${account.used_bytes} />
  <//>`;
}

function Password({ account, change, onClose }) {
  const set = async (fields) => {
    const keys = fields.has("end_keys") ? { end_keys: true } : {};
    await patch(account, { password: fields.get("password"), ...keys }, change);
    say(t("admin.accounts.password_set", { name: account.name }));
  };
  return html`<${FormDialog} title=${t("admin.accounts.password_of", { name: account.name })} submit=${t("admin.accounts.set_password")} onSubmit=${set} onClose=${onClose}
    problems=${problemsOf()}>
    <p>${t("admin.accounts.password_text")}</p>
    <${PasswordField} autofocus />
    <${Checkbox} name="end_keys" label=${t("admin.accounts.end_keys")} hint=${t("admin.accounts.end_keys_hint")} />
  <//>`;
}

function Disable({ account, change, onClose }) {
  const disable = async () => {
    await patch(account, { is_disabled: true }, change);
    say(t("admin.accounts.is_disabled", { name: account.name }));
  };
  return html`<${FormDialog} title=${t("admin.accounts.disable_question", { name: account.name })} submit=${t("admin.accounts.disable")} kind="danger" onSubmit=${disable} onClose=${onClose}
    problems=${problemsOf()}><p>${t("admin.accounts.disable_text")}</p><//>`;
}

function Enable({ account, change, onClose }) {
  const enable = async () => {
    await patch(account, { is_disabled: false }, change);
    say(t("admin.accounts.is_enabled", { name: account.name }));
  };
  return html`<${FormDialog} title=${t("admin.accounts.enable_question", { name: account.name })} submit=${t("admin.accounts.enable")} onSubmit=${enable} onClose=${onClose}
    problems=${problemsOf()}><p>${t("admin.accounts.enable_text")}</p><//>`;
}

/* A 404 says that it is gone: another administrator was faster, or an answer was lost. */
function Delete({ account, change, onClose }) {
  const { name, files, used_bytes: used } = account;
  const remove = async () => {
    await api("DELETE", pathOf(account)).catch((error) => { if (error.status !== 404) throw error; });
    change.removed(account);
    say(t("admin.accounts.deleted", { name }));
  };
  const judge = (input) => input?.setCustomValidity(input.value === name ? "" : t("admin.accounts.type_name", { name }));
  return html`<${FormDialog} title=${t("admin.accounts.delete_question", { name })} submit=${t("admin.accounts.delete_forever")} kind="danger" onSubmit=${remove} onClose=${onClose}
    problems=${problemsOf()}>
    <p>${t("admin.accounts.goes", { count: files, size: formatSize(used) })}</p>
    <p class="quiet">${t("admin.accounts.stays")}</p>
    <${Field} label=${t("admin.accounts.type_name", { name })} inputRef=${judge} onInput=${(event) => judge(event.target)} autocomplete="off" autocapitalize="none" spellcheck="false" autofocus />
  <//>`;
}
