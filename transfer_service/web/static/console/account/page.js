/* Account: who one is, the room that is used, the password, keys, sign-ins, and one's own data. */

import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { account, refresh } from "../core/session.js";
import { useStore } from "../core/store.js";
import { ExportPart, LanguagePart } from "./data.js";
import { Keys } from "./keys.js";
import { PasswordPart } from "./password.js";
import { Room } from "./room.js";
import { Sessions } from "./sessions.js";

export default function AccountPage() {
  const me = useStore(account);
  const [turn, setTurn] = useState(0);
  useEffect(() => { refresh(); }, []); // what was sent or deleted meanwhile counts
  return html`<header class="page-head"><h1>${t("account.title")}</h1></header>
    <div class="settings">
      <${Room} me=${me} />
      <${PasswordPart} name=${me.name} onChanged=${() => setTurn(turn + 1)} />
      <${Keys} />
      <${Sessions} key=${turn} />
      <${ExportPart} />
      <${LanguagePart} />
    </div>`;
}
