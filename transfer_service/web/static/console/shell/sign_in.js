/* Who is it? A name and a password, or the company's own page where there is one. */

import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { ASSETS, BASE, HAS_PROVIDER, VERSION } from "../core/page.js";
import { textOf } from "../core/problems.js";
import { signIn } from "../core/session.js";
import { Button } from "../ui/button.js";
import { Field } from "../ui/field.js";

export function SignIn() {
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const form = useRef();
  useEffect(() => { document.title = `${t("sign_in.title")} · ${t("shell.product")}`; }, []);
  const send = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    const fields = new FormData(form.current);
    setBusy(true);
    setProblem("");
    try {
      await signIn(fields.get("username"), fields.get("password"));
    } catch (error) {
      setBusy(false);
      setProblem(textOf(error, { 401: t("sign_in.wrong"), 429: t("sign_in.too_many"), 400: t("sign_in.wrong") }));
      form.current.elements.password.select();
    }
  };
  return html`<main class="sign-in">
    <div class="sign-in-card">
      <p class="brand"><img src=${`${ASSETS}/console/icon.svg`} alt="" width="36" height="36" /><span>${t("shell.product")}</span></p>
      <h1>${t("sign_in.headline")}</h1>
      <form class="form" ref=${form} onSubmit=${send}>
        <${Field} label=${t("sign_in.name")} name="username" autocomplete="username" autocapitalize="none" spellcheck=${false} required autofocus />
        <${Field} label=${t("sign_in.password")} name="password" type="password" autocomplete="current-password" required />
        ${problem && html`<p class="problem" role="alert">${problem}</p>`}
        <${Button} kind="primary" type="submit" aria-disabled=${isBusy}>${t("sign_in.submit")}<//>
      </form>
      ${HAS_PROVIDER && html`<p class="provider"><a class="button plain" href=${`${BASE}/auth/oidc/login`}>${t("sign_in.provider")}</a></p>`}
      <p class="sign-in-foot"><a href=${`${BASE}/docs`}>${t("sign_in.docs")}</a><span>${t("shell.version", { version: VERSION })}</span></p>
    </div>
  </main>`;
}
