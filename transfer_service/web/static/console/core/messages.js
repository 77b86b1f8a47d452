/* The words of the console, in the language that the server chose: messages/<language>.json, one object for each area. */

import { ASSETS, LANGUAGE } from "./page.js";

const AGAIN_MS = 3000;

let messages = {};
const plurals = new Intl.PluralRules(LANGUAGE);

/** Read the catalogue, and try again for as long as the service is away: nothing can be shown before. */
export async function loadMessages() {
  for (;;) {
    try {
      const answer = await fetch(`${ASSETS}/console/messages/${LANGUAGE}.json`, { credentials: "same-origin" });
      const told = await answer.json();
      if (!answer.ok) throw new Error(told.detail); // JSON as well, and no words
      messages = told;
      return;
    } catch {
      await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS); });
    }
  }
}

/**
 * The text of a key such as "files.empty.title", with `{name}` filled in from `values`. A text that depends on a number
 * is an object of the forms of Intl.PluralRules, chosen by `values.count`. The key itself where there is no text.
 */
export function t(key, values = {}) {
  let text = key.split(".").reduce((found, part) => found?.[part], messages);
  if (text && typeof text === "object") text = text[plurals.select(values.count)] ?? text.other;
  if (typeof text !== "string") return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? formatValue(values[name]) : whole));
}

const numbers = new Intl.NumberFormat(LANGUAGE);

function formatValue(value) {
  return typeof value === "number" ? numbers.format(value) : String(value);
}
