/* Another password. Every other sign-in ends with it. */

import { html, useState } from "../../vendor/htm-preact.js";
import { api } from "../core/api.js";
import { t } from "../core/messages.js";
import { HAS_PROVIDER } from "../core/page.js";
import { textOf } from "../core/problems.js";
import { Button } from "../ui/button.js";
import { Checkbox, Field } from "../ui/field.js";
import { say } from "../ui/toast.js";
import { Part } from "./part.js";

const LEAST_CHARACTERS = 8;
const MOST_BYTES = 1024;

export function PasswordPart({ name, onChanged }) {
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [isShown, setShown] = useState(false);
  const send = async (event) => {
    event.preventDefault();
    const form = event.target;
    const { current, next } = Object.fromEntries(new FormData(form));
    const refusal = refusalOf(current, next);
    setProblem(refusal ?? "");
    if (isBusy || refusal) return;
    setBusy(true);
    try {
      await api("POST", "/auth/password", { json: { current_password: current, new_password: next } });
      form.reset();
      setShown(false);
      say(t("account.password.changed"));
      onChanged();
    } catch (error) {
      setProblem(textOf(error, { 403: t("account.password.wrong"), 429: t("account.password.too_many") }));
      if (error.status === 403) form.elements.current.select();
    }
    setBusy(false);
  };
  const type = isShown ? "text" : "password";
  return html`<${Part} name="password">
    ${HAS_PROVIDER && html`<p class="quiet">${t("account.password.provider")}</p>`}
    <form class="form narrow" onSubmit=${send}>
      <input type="text" name="username" autocomplete="username" value=${name} readonly hidden />
      <${Field} label=${t("account.password.current")} name="current" type=${type} autocomplete="current-password" required />
      <${Field} label=${t("account.password.next")} name="next" type=${type} autocomplete="new-password" required hint=${t("account.password.rule")} />
      <${Checkbox} label=${t("account.password.show")} checked=${isShown} onChange=${(event) => setShown(event.target.checked)} />
      ${problem && html`<p class="problem" role="alert">${problem}</p>`}
      <p><${Button} type="submit" aria-disabled=${isBusy}>${t("account.password.submit")}<//></p>
    </form>
  <//>`;
}

/* The service counts characters, not the units of JavaScript. */
function refusalOf(current, next) {
  if ([...next].length < LEAST_CHARACTERS) return t("account.password.too_short");
  if (new TextEncoder().encode(next).length > MOST_BYTES) return t("account.password.too_long");
  return next === current ? t("account.password.same") : null;
}
