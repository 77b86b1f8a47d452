/* What is said of an error: what happened and what to do, in the words of the reader. */

import { t } from "./messages.js";

const KNOWN = new Set([0, 401, 403, 404, 409, 413, 429, 500, 503, 507]);

/** The text for an error of `api`. `known` has texts for statuses that mean something of their own here. */
export function textOf(error, known = {}) {
  const { status, detail } = error;
  if (status in known) return known[status];
  if (status === undefined) return t("problems.unexpected");
  if (status === 400 && detail) return t("problems.refused", { detail });
  return KNOWN.has(status) ? t(`problems.${status}`) : t("problems.other", { status, detail: detail || "" });
}
