/* The field that searches below the folder that is shown; the address has what is searched. */

import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { hrefOf, navigate } from "../core/router.js";
import { SearchField } from "../ui/field.js";

const TYPED_MS = 250;

export function SearchBox({ labels, search }) {
  const [typed, setTyped] = useState(search);
  const timer = useRef(null);
  const place = hrefOf("files", ...labels);
  useEffect(() => {
    clearTimeout(timer.current);
    setTyped(search);
  }, [search, place]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const go = (text) => {
    clearTimeout(timer.current);
    const wanted = text.trim();
    if (wanted === search) return;
    navigate(wanted ? `${place}?${new URLSearchParams({ search: wanted })}` : place, { replace: Boolean(search) && Boolean(wanted) });
  };
  const type = (event) => {
    const text = event.target.value;
    setTyped(text);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => go(text), TYPED_MS);
  };
  const submit = (event) => {
    event.preventDefault();
    go(typed);
  };
  return html`<form class="search" role="search" onSubmit=${submit}>
    <${SearchField} label=${t("files.search")} value=${typed} onInput=${type} dir="auto" maxlength="255" />
  </form>`;
}
