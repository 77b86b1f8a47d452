/* Why a download failed, in the reader's language: what the service says of it (docs/remote-downloads.md) is English. */

import { t } from "../core/messages.js";

const KNOWN = {
  "The source cannot be reached": "unreachable",
  "The source cannot be reached securely": "insecure",
  "The source stalled for too long": "stalled",
  "The source closed the connection too often": "closed",
  "The source sends too little at a time": "pieces",
  "The bytes of the source are not the catalogue's": "wrong_bytes",
  "The source sent another size": "another_size",
  "The certificate of the source is not valid": "certificate",
  "The address of the source is not allowed": "forbidden",
  "The URL of the source cannot be used": "unusable",
  "The source redirects too often": "redirects",
  "The source redirects to a URL that cannot be used": "bad_redirect",
  "The source redirects without saying where": "no_location",
  "The source sent a content encoding": "encoded",
  "The source sent several ranges": "several_ranges",
  "The source does not speak HTTP": "not_http",
  "The download took too long": "too_late",
  "No sources are configured": "no_sources",
  "Storage is full": "full",
  "Error reading file": "unreadable",
  "The download worker stopped": "worker_stopped",
  "The download failed": "failed",
};
const STATUS = /^The source answered (\d{3})$/;

/** One sentence for each source that was tried, or one for all. */
export function failureText(error) {
  return (error || "The download failed").split("; ").map(ofOne).join(" ");
}

function ofOne(text) {
  const [, name, reason] = /^(.+): (The .+)$/.exec(text) ?? [null, "", text];
  const status = STATUS.exec(reason)?.[1];
  const words = status ? t("games.failures.answered", { status }) : reason in KNOWN ? t(`games.failures.${KNOWN[reason]}`) : `${reason}.`;
  return name ? `${name}: ${words}` : words;
}
