/* Which page is shown: the path of the address, in the history of the browser. */

import { html } from "../../vendor/htm-preact.js";
import { BASE } from "./page.js";
import { createStore, useStore } from "./store.js";

const ROOT = `${BASE}/console`;
const DEFAULT = ["files"];

/* The labels of the address behind /console, decoded, and its query. */
const route = createStore(read());

function read() {
  const { pathname, search } = window.location;
  const rest = pathname.startsWith(`${ROOT}/`) ? pathname.slice(ROOT.length + 1) : "";
  const labels = rest.split("/").filter(Boolean).map(decode);
  return { labels: labels.length ? labels : DEFAULT, query: new URLSearchParams(search) };
}

function decode(label) {
  try {
    return decodeURIComponent(label);
  } catch {
    return label;
  }
}

window.addEventListener("popstate", () => route.set(read()));

/** The address of a page: `hrefOf("files", "Trip", "day 1")`. */
export function hrefOf(...labels) {
  return `${ROOT}/${labels.map(encodeURIComponent).join("/")}`;
}

/** Go to an address of `hrefOf`; with `replace` it takes the place of the present one in the history. */
export function navigate(href, { replace = false } = {}) {
  if (replace) window.history.replaceState(null, "", href);
  else window.history.pushState(null, "", href);
  route.set(read());
}

export function useRoute() {
  return useStore(route);
}

/** A link within the console: opens without loading the page anew, unless it is wanted elsewhere. */
export function Link({ href, children, ...rest }) {
  const follow = (event) => {
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!isPlain || event.defaultPrevented) return;
    event.preventDefault();
    navigate(href);
  };
  return html`<a href=${href} onClick=${follow} ...${rest}>${children}</a>`;
}
