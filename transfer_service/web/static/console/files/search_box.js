/* The field that searches below the folder that is shown; the address has what is searched. */

import { html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { hrefOf, navigate } from "../core/router.js";
import { SearchField } from "../ui/field.js";
import { useSearch } from "../ui/search.js";

export function SearchBox({ labels, search: asked }) {
  const place = hrefOf("files", ...labels);
  const go = (wanted) => navigate(wanted ? `${place}?${new URLSearchParams({ search: wanted })}` : place, { replace: Boolean(asked) && Boolean(wanted) });
  const { text, type, search } = useSearch({ asked, place, plain: (typed) => typed.trim(), onSearch: go });
  const submit = (event) => {
    event.preventDefault();
    search();
  };
  return html`<form class="search" role="search" onSubmit=${submit}>
    <${SearchField} label=${t("files.search")} value=${text} onInput=${type} dir="auto" maxlength="255" />
  </form>`;
}
