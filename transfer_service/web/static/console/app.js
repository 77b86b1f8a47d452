/* Where the console begins: words, then who is signed in, then the page. */

import { html, render } from "../vendor/htm-preact.js";
import { loadMessages } from "./core/messages.js";
import { begin } from "./core/session.js";
import { App } from "./shell/app.js";

await loadMessages();
render(html`<${App} />`, document.getElementById("console"));
await begin();
