/* Days, as a reader names them. */

import { LANGUAGE } from "../core/page.js";
import { formatClock } from "../core/format.js";

const DAY_MS = 24 * 60 * 60 * 1000;
const relative = new Intl.RelativeTimeFormat(LANGUAGE, { numeric: "auto" });
const near = new Intl.DateTimeFormat(LANGUAGE, { weekday: "long", day: "numeric", month: "long" });
const far = new Intl.DateTimeFormat(LANGUAGE, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const weekday = new Intl.DateTimeFormat(LANGUAGE, { weekday: "short" });
const short = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "numeric", year: "2-digit" });

/** The day of an instant where the reader is, as a number that is the same for all of that day. */
export function dayOf(at) {
  const date = new Date(at);
  return Math.round(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / DAY_MS);
}

/** Today, yesterday, or the day's date. */
export function nameOfDay(at, now = new Date()) {
  const ago = dayOf(now) - dayOf(at);
  if (ago === 0 || ago === 1) return capital(relative.format(-ago, "day"));
  return (new Date(at).getFullYear() === now.getFullYear() ? near : far).format(new Date(at));
}

/** An instant in a few characters: the time of today, the day of this week, else the date. */
export function briefly(at, now = new Date()) {
  const ago = dayOf(now) - dayOf(at);
  if (ago <= 0) return formatClock(at);
  return (ago < 7 ? weekday : short).format(new Date(at));
}

function capital(text) {
  return text.charAt(0).toLocaleUpperCase(LANGUAGE) + text.slice(1);
}
