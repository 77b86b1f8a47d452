/* Sizes, times and numbers for people, by the rules of their language. */

import { t } from "./messages.js";
import { LANGUAGE } from "./page.js";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"];
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [["day", DAY], ["hour", HOUR], ["minute", MINUTE]];

const dates = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium" });
const instants = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(LANGUAGE, { timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(LANGUAGE, { numeric: "auto" });
const numbers = new Intl.NumberFormat(LANGUAGE);
const sizes = UNITS.map((unit, place) => new Intl.NumberFormat(LANGUAGE, {
  style: "unit", unit, unitDisplay: place ? "short" : "long", maximumFractionDigits: place ? 1 : 0,
}));
const percents = new Intl.NumberFormat(LANGUAGE, { style: "percent" });

/** Bytes, in units of a thousand, with one digit behind the point. */
export function formatSize(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 999.95 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return sizes[unit].format(value);
}

/** What the units of sizes are called: bytes, then each a thousand times the one before. */
export function unitNames() {
  return UNITS.map((unit) => {
    const style = new Intl.NumberFormat(LANGUAGE, { style: "unit", unit, unitDisplay: "short" });
    return style.formatToParts(2).find(({ type }) => type === "unit").value;
  });
}

/** A number. */
export function formatNumber(number) {
  return numbers.format(number);
}

/** Bytes per second. */
export function formatSpeed(bytesPerSecond) {
  return t("common.speed", { size: formatSize(Math.round(bytesPerSecond)) });
}

/** The share of a whole, from 0 to 1. A part is never shown as all of it. */
export function formatPercent(share) {
  return percents.format(Math.min(Math.floor(share * 100), 100) / 100);
}

/** A length of time, in its two largest units at most. */
export function formatDuration(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < MINUTE) return t("common.seconds", { count: whole });
  if (whole < HOUR) return t("common.minutes", { count: Math.round(whole / MINUTE) });
  const hours = Math.floor(whole / HOUR);
  if (whole >= DAY) return t("common.days", { count: Math.round(whole / DAY) });
  return t("common.hours", { count: hours, minutes: Math.round((whole % HOUR) / MINUTE) });
}

/** The position in a film or piece of music: 1:02:03. */
export function formatPosition(seconds) {
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / HOUR), Math.floor((whole % HOUR) / MINUTE), whole % MINUTE];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, place) => (place ? String(part).padStart(2, "0") : part)).join(":");
}

/** A day and a time. Takes ISO 8601 or a Date. */
export function formatInstant(at) {
  return instants.format(new Date(at));
}

/** A day. */
export function formatDate(at) {
  return dates.format(new Date(at));
}

/** A time of day. */
export function formatClock(at) {
  return clock.format(new Date(at));
}

/** How long ago or ahead an instant is, in words: "2 hours ago"; within a minute "now", beyond a month its date. */
export function formatRelative(at, now = Date.now()) {
  const seconds = (new Date(at).getTime() - now) / 1000;
  if (Math.abs(seconds) >= 30 * DAY) return formatDate(at);
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return relative.format(0, "second");
}
