/* Days as fields of dates have them, by the clock on the reader's wall. */

/** The day that is so many days from now. */
export function dayAhead(days) {
  const day = new Date();
  day.setDate(day.getDate() + days);
  return [day.getFullYear(), day.getMonth() + 1, day.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

/** The last second of a day. */
export function endOfDay(day) {
  return new Date(`${day}T23:59:59`);
}
