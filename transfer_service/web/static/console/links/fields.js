/* What links for downloads and for uploads have in common when they are made: how long, and for whom. */

import { html, useState } from "../../vendor/htm-preact.js";
import { dayAhead, endOfDay } from "../core/days.js";
import { t } from "../core/messages.js";
import { Button } from "../ui/button.js";
import { Field, Select } from "../ui/field.js";

const DAY_SECONDS = 24 * 60 * 60;
const MOST_DAYS = 365;
const DAYS = [1, 7, 30, 365];
const USUAL_DAYS = 7;
const OWN = "own";
const LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"; // 32 of them, none like another
const PASSWORD_LENGTH = 12;

/** The fields `expires`, `expires_on` and `password` of a form. */
export function AccessFields() {
  const [choice, setChoice] = useState(String(USUAL_DAYS));
  const [password, setPassword] = useState("");
  const choices = [...DAYS.map((days) => [String(days), t("links.expiry.days", { count: days })]), [OWN, t("links.expiry.own")]];
  return html`<${Select} label=${t("links.expiry.label")} name="expires" options=${choices} value=${choice} onChange=${(event) => setChoice(event.target.value)} />
    ${choice === OWN && html`<${Field} label=${t("links.expiry.on")} name="expires_on" type="date" min=${dayAhead(0)} max=${dayAhead(MOST_DAYS - 1)} required />`}
    <${Field} label=${t("links.password.label")} hint=${t("links.password.hint")} name="password" value=${password} onInput=${(event) => setPassword(event.target.value)}
      minlength="6" maxlength="1024" autocomplete="off" autocapitalize="none" spellcheck=${false}
      beside=${html`<${Button} icon="key" onClick=${() => setPassword(makePassword())}>${t("links.password.generate")}<//>`} />`;
}

/** What a filled form asks for, as `POST /api/links` takes it: what is empty is not there. */
export function draftOf(form) {
  const draft = { expires_in: secondsOf(form.get("expires"), form.get("expires_on")) };
  const name = form.get("name").trim();
  if (name) draft.name = name;
  if (form.get("password")) draft.password = form.get("password");
  return draft;
}

/** The number in a field, times `unit`; undefined where it is empty. */
export function numberOf(form, name, unit = 1) {
  const text = form.get(name);
  return text ? Math.max(1, Math.round(Number(text) * unit)) : undefined;
}

/* Until so many days from now, or to the end of a day of one's own. */
function secondsOf(choice, day) {
  if (choice !== OWN) return Number(choice) * DAY_SECONDS;
  return Math.min(Math.max(1, Math.floor((endOfDay(day) - Date.now()) / 1000)), MOST_DAYS * DAY_SECONDS);
}

function makePassword() {
  const letters = [...crypto.getRandomValues(new Uint8Array(PASSWORD_LENGTH))].map((each) => LETTERS[each % LETTERS.length]);
  return letters.join("").match(/.{4}/g).join("-");
}
