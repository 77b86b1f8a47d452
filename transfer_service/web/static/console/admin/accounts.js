/* Accounts: who there is, and what each may do. */

import { html, useRef, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { formatNumber, formatSize } from "../core/format.js";
import { t } from "../core/messages.js";
import { account as own } from "../core/session.js";
import { hrefOf, navigate, useRoute } from "../core/router.js";
import { Button } from "../ui/button.js";
import { SearchField } from "../ui/field.js";
import { useLoaded } from "../ui/load.js";
import { MenuButton } from "../ui/menu.js";
import { Pager, useCursor } from "../ui/paging.js";
import { useSearch } from "../ui/search.js";
import { Empty, Failed, Loading } from "../ui/states.js";
import { Table, useFocusNear } from "../ui/table.js";
import { When } from "../ui/when.js";
import { AccountDialog } from "./account_dialogs.js";

const LIMIT = 100;
const COLUMNS = [
  { key: "name", sort: "asc", show: (account) => html`<${Name} account=${account} />` },
  { key: "used_bytes", sort: "desc", isNumber: true, show: (account) => html`<${Room} account=${account} />` },
  { key: "files", isNumber: true, show: (account) => formatNumber(account.files) },
  { key: "last_sign_in", sort: "desc", show: ({ last_sign_in_at: at }) => (at ? html`<${When} at=${at} />` : t("admin.accounts.never")) },
];

export function Accounts() {
  const { query } = useRoute();
  const wanted = (query.get("search") ?? "").trim();
  const [dialog, setDialog] = useState(null);
  const field = useRef();
  const sorting = sortingOf(query);
  const find = (text) => navigate(addressOf(text, sorting.by, sorting.order), { replace: true });
  const { text, type } = useSearch({ asked: wanted, plain: (typed) => typed.trim(), onSearch: find });
  const paging = useCursor(JSON.stringify([wanted, sorting]));
  const { value, error, isLoading, reload, setValue } = useLoaded(
    (signal) => api("GET", "/api/admin/accounts", { query: { search: wanted, sort: sorting.by, order: sorting.order, limit: LIMIT, cursor: paging.cursor }, signal }),
    [wanted, sorting.by, sorting.order, paging.cursor],
  );
  const rows = value?.accounts ?? [];
  const { tableRef, keepFocus } = useFocusNear(rows, field);
  const sort = ({ by, order }) => navigate(addressOf(wanted, by, order), { replace: true });
  const change = {
    added: reload,
    changed: (account) => setValue((old) => ({ ...old, accounts: old.accounts.map((each) => (each.id === account.id ? account : each)) })),
    removed: (account) => {
      keepFocus(account);
      setValue((old) => ({ ...old, accounts: old.accounts.filter((each) => each.id !== account.id) }));
    },
  };
  const tools = { key: "tools", kind: "tools", isHeard: true, show: (account) => html`<${Tools} account=${account} onChoose=${setDialog} />` };
  const columns = [...COLUMNS, tools].map((column) => ({ ...column, title: t(`admin.accounts.${column.key}`) }));
  return html`<header class="page-head">
      <h1>${t("admin.accounts.title")}</h1>
      <${SearchField} label=${t("admin.accounts.search")} value=${text} inputRef=${field} onInput=${type} />
      <${Button} kind="primary" icon="plus" onClick=${() => setDialog({ kind: "new" })}>${t("admin.accounts.new")}<//>
    </header>
    <p class="only-heard" role="status">${value && !isLoading ? t("admin.accounts.shown", { count: rows.length }) : ""}</p>
    ${error ? html`<${Failed} error=${error} onRetry=${reload} />` : !value ? html`<${Loading} />` : rows.length === 0
      ? html`<${Empty} icon="people" title=${t("admin.accounts.none")}><p>${t("admin.accounts.none_text")}</p><//>`
      : html`<${Table} label=${t("admin.accounts.title")} columns=${columns} rows=${rows} keyOf=${(account) => account.id} sorting=${sorting} onSort=${sort}
          busy=${isLoading} tableRef=${tableRef} />`}
    <${Pager} label=${t("admin.pages")} here=${t("admin.page", { number: paging.number })} onBack=${paging.back}
      onForward=${value?.next_cursor && (() => paging.forward(value.next_cursor))} />
    ${dialog && html`<${AccountDialog} key=${dialog.kind} ...${dialog} change=${change} onClose=${() => setDialog(null)} onNext=${setDialog} />`}`;
}

function addressOf(search, sort, order) {
  return `${hrefOf("admin", "accounts")}?${new URLSearchParams({ ...(search && { search }), sort, order })}`;
}

function sortingOf(query) {
  const column = COLUMNS.find(({ key, sort }) => sort && key === query.get("sort")) ?? COLUMNS[0];
  const order = query.get("order");
  return { by: column.key, order: order === "asc" || order === "desc" ? order : column.sort };
}

function Name({ account }) {
  return html`<span class="with-tags"><bdi>${account.name}</bdi>
    ${account.is_admin && html`<span class="tag good">${t("admin.accounts.admin")}</span>`}
    ${account.is_disabled && html`<span class="tag bad">${t("admin.accounts.disabled")}</span>`}</span>`;
}

function Room({ account }) {
  const { used_bytes: used, effective_quota_bytes: quota } = account;
  const isFull = quota !== null && used >= quota;
  return html`<span class=${isFull ? "full" : ""}>${formatSize(used)}</span>${quota !== null && html` <small class="quiet">${t("admin.accounts.of_quota", { size: formatSize(quota) })}</small>`}`;
}

/* One's own account is not disabled, deleted or locked out here: somebody else may do that, and the page Account has the password. */
function Tools({ account, onChoose }) {
  const { name, id } = account;
  const isOwn = id === own.get()?.id;
  const item = (kind, icon, more = {}) => ({ label: t(`admin.accounts.${kind}`), icon, onSelect: () => onChoose({ kind, account }), ...more });
  const history = { label: t("admin.accounts.history"), icon: "activity", onSelect: () => navigate(`${hrefOf("admin", "activities")}?${new URLSearchParams({ username: name })}`) };
  const others = isOwn ? [] : [
    item("password", "key"),
    account.is_disabled ? item("enable", "check") : item("disable", "lock"),
    item("delete", "trash", { isDanger: true }),
  ];
  return html`<${MenuButton} label=${t("admin.accounts.actions_for", { name })} items=${[item("edit", "rename"), history, ...others]} />`;
}
