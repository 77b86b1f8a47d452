/* The page of the trash: what was deleted or replaced, to be brought back or removed for good. */

import { html, useMemo, useRef, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { hrefOf, navigate } from "../core/router.js";
import { folderOf, labelOf } from "../files/items.js";
import { Button } from "../ui/button.js";
import { FormDialog } from "../ui/dialog.js";
import { SearchField } from "../ui/field.js";
import { Empty, Failed, Loading } from "../ui/states.js";
import { say } from "../ui/toast.js";
import { useEmptied, VirtualTable } from "../ui/virtual_table.js";
import { useDeleted } from "./deleted.js";
import { Heads, Row } from "./row.js";

export default function Page() {
  const deleted = useDeleted();
  const [search, setSearch] = useState("");
  const [question, setQuestion] = useState(null);
  const title = useRef();
  const table = useRef(null);
  const items = useMemo(() => found(deleted.items, search), [deleted.items, search]);
  useEmptied(items.length, () => title.current.focus());
  const close = () => {
    setQuestion(null);
    setTimeout(() => table.current?.keepFocus());
  };
  const type = (event) => {
    setSearch(event.target.value);
    if (event.target.value) deleted.all();
  };
  const actions = { restore: (item) => restore(item, deleted), remove: (item) => setQuestion({ item }) };
  return html`<header class="page-head">
      <h1 ref=${title} tabindex="-1">${t("trash.title")}</h1>
      ${deleted.items.length > 0 && html`<${SearchField} label=${t("trash.search")} value=${search} onInput=${type} dir="auto" />
        <${Button} icon="trash" onClick=${() => setQuestion({})}>${t("trash.empty_it")}<//>`}
    </header>
    <${Shown} deleted=${deleted} items=${items} actions=${actions} table=${table} />
    ${question?.item && html`<${RemoveDialog} item=${question.item} deleted=${deleted} onClose=${close} />`}
    ${question && !question.item && html`<${EmptyDialog} deleted=${deleted} onClose=${close} />`}`;
}

function Shown({ deleted, items, actions, table }) {
  if (deleted.error && !deleted.items.length) return html`<${Failed} error=${deleted.error} onRetry=${deleted.reload} />`;
  if (!deleted.isLoaded) return html`<${Loading} />`;
  if (!deleted.items.length) return html`<${Empty} icon="trash" title=${t("trash.empty")}><p>${t("trash.empty_hint")}</p><//>`;
  if (!items.length) return html`<${Empty} icon="search" title=${t("trash.nothing_found")} />`;
  return html`<p class="quiet trash-hint">${t("trash.hint")}</p>
    <div class="files trash"><${VirtualTable} label=${t("trash.title")} items=${items} keyOf=${({ key }) => key} isWhole=${deleted.isWhole} handle=${table}
      onNearEnd=${deleted.more} onEnd=${async () => { await deleted.all(); table.current.focusRow(table.current.count - 1, "restore"); }}
      head=${html`<${Heads} />`} show=${(item) => html`<${Row} item=${item} actions=${actions} />`} /></div>
    ${deleted.error && html`<p class="problem" role="alert">${textOf(deleted.error)} <${Button} onClick=${deleted.more}>${t("common.again")}<//></p>`}`;
}

function found(items, search) {
  const wanted = search.trim().toLowerCase();
  return wanted ? items.filter(({ name }) => name.toLowerCase().includes(wanted)) : items;
}

async function restore(item, deleted) {
  try {
    const file = await api("POST", `/api/trash/${item.id}/restore`);
    deleted.without(new Set([item.key]));
    const labels = folderOf(file.filename).split("/").filter(Boolean);
    const text = file.filename === item.name ? t("trash.restored", { name: item.label }) : t("trash.restored_as", { name: item.label, other: labelOf(file.filename) });
    say(text, { action: { label: t("trash.show"), onSelect: () => navigate(hrefOf("files", ...labels)) } });
  } catch (error) {
    if (error.status === 404) deleted.without(new Set([item.key]));
    say(t("trash.not_restored", { name: item.label, why: textOf(error) }), { isProblem: true });
  }
}

function RemoveDialog({ item, deleted, onClose }) {
  const remove = async () => {
    await api("DELETE", `/api/trash/${item.id}`).catch((error) => { if (error.status !== 404) throw error; });
    deleted.without(new Set([item.key]));
    say(t("trash.removed", { name: item.label }));
  };
  return html`<${FormDialog} title=${t("trash.remove_title", { name: item.label })} submit=${t("trash.remove")} kind="danger" onSubmit=${remove} onClose=${onClose}>
    <p>${t("trash.for_good")}</p><//>`;
}

function EmptyDialog({ deleted, onClose }) {
  const empty = async () => {
    await api("DELETE", "/api/trash");
    await deleted.reload();
    say(t("trash.emptied"));
  };
  const told = deleted.isWhole ? t("trash.all", { count: deleted.items.length }) : t("trash.all_more", { count: deleted.items.length });
  return html`<${FormDialog} title=${t("trash.empty_title")} submit=${t("trash.remove_all")} kind="danger" onSubmit=${empty} onClose=${onClose}>
    <p>${told} ${t("trash.for_good")}</p><//>`;
}
