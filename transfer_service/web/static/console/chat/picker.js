/* A field to find people by their names (ARIA Authoring Practices, combobox with a list), and those who are chosen. */

import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { t } from "../core/messages.js";
import { persist } from "../core/passing.js";
import { account } from "../core/session.js";
import { Icon } from "../ui/icon.js";
import { Avatar } from "./avatar.js";

const FEWEST = 2;
const PAUSE_MS = 200;

let lastId = 0;

/** `chosen` names, `onChosen(names)`; `without` are not offered. `label` is the field's name. */
export function PeoplePicker({ label, chosen, onChosen, without = [] }) {
  const [text, setText] = useState("");
  const [found, setFound] = useState(null);
  const [at, setAt] = useState(0);
  const id = useRef(`people-${(lastId += 1)}`).current;
  const field = useRef();
  useEffect(() => search(text.trim(), (names) => {
    setFound(names);
    setAt(0);
  }), [text]);
  const options = (found ?? []).filter((name) => !chosen.includes(name) && !without.includes(name) && name !== account.get()?.name);
  const choose = (name) => {
    onChosen([...chosen, name]);
    setText("");
    field.current.focus();
  };
  const press = (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" && options.length) setAt((at + 1) % options.length);
    else if (event.key === "ArrowUp" && options.length) setAt((at - 1 + options.length) % options.length);
    else if (event.key === "Enter" && text.trim()) choose(options[at] ?? text.trim());
    else if (event.key === "Escape" && text) setText("");
    else if (event.key === "Backspace" && !text && chosen.length) onChosen(chosen.slice(0, -1));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const isOpen = text.trim().length >= FEWEST && found !== null;
  return html`<div class="field people-field">
    <label for=${id}>${label}</label>
    ${chosen.length > 0 && html`<ul class="chosen-people">${chosen.map((name) => html`<li key=${name} class="chip"><bdi>${name}</bdi>
      <button type="button" aria-label=${t("chat.remove", { name })} onClick=${() => onChosen(chosen.filter((each) => each !== name))}><${Icon} name="close" /></button></li>`)}</ul>`}
    <input id=${id} ref=${field} role="combobox" autofocus aria-expanded=${isOpen} aria-controls=${`${id}-list`} aria-autocomplete="list" autocomplete="off" autocapitalize="none" spellcheck=${false}
      aria-activedescendant=${isOpen && options.length ? `${id}-${at}` : undefined} aria-describedby=${`${id}-hint`} value=${text} onInput=${(event) => setText(event.target.value)} onKeyDown=${press} />
    <p class="hint" id=${`${id}-hint`} role="status">${isOpen && !options.length ? t("chat.nobody", { text: text.trim() }) : t("chat.find_hint")}</p>
    <ul class="options" role="listbox" id=${`${id}-list`} aria-label=${t("chat.found")} hidden=${!isOpen || !options.length}>
      ${isOpen && options.map((name, place) => html`<li role="option" id=${`${id}-${place}`} key=${name} aria-selected=${place === at} onMouseDown=${(event) => event.preventDefault()} onClick=${() => choose(name)}>
        <${Avatar} name=${name} /><bdi>${name}</bdi></li>`)}
    </ul>
  </div>`;
}

/* After a pause in typing; a later search ends an earlier one. */
function search(text, show) {
  if (text.length < FEWEST) {
    show(null);
    return undefined;
  }
  const ending = new AbortController();
  const timer = setTimeout(async () => {
    const ask = () => api("GET", "/accounts", { query: { search: text }, signal: ending.signal });
    const answer = await persist(ask, { signal: ending.signal }).catch(() => null);
    if (answer && !ending.signal.aborted) show(answer.accounts.map(({ name }) => name));
  }, PAUSE_MS);
  return () => {
    clearTimeout(timer);
    ending.abort();
  };
}
