/* How a file can be shown, by its type, its name, and what the service has seen in it. */

import { labelOf } from "../files/items.js";

const PICTURES = new Set(["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp"]);
const TEXT_TYPES = /^(text\/.*|application\/(json|xml|javascript|ecmascript|sql|toml|yaml|x-(sh|yaml|httpd-php|ndjson))|image\/svg|message\/rfc822|.*[+](json|xml|yaml))$/;
const TEXT_ENDINGS = new Set(`asm bash bat c cc cfg clj conf cpp cs css csv cts cxx dart diff dockerfile env ex fs gitignore go gradle graphql groovy h hpp hs htm html
  ics ini java jl js json jsonl jsx kt less log lua m makefile md mjs mts ndjson nim php pl proto ps1 py r rb rs rst scala scss sh srt sql svg swift
  tex toml ts tsv tsx txt vb vtt vue xhtml xml yaml yml zig zsh`.split(/\s+/));

/** `picture`, `film`, `audio`, `pdf`, `text` or `other`. `file` is the answer of `GET /api/files/{id}`. */
export function kindOf(file) {
  const type = bareType(file);
  if (type.startsWith("audio/")) return "audio";
  if (file.duration !== null || type.startsWith("video/")) return "film";
  if (file.width !== null || PICTURES.has(type)) return "picture";
  if (type === "application/pdf") return "pdf";
  if (TEXT_TYPES.test(type) || TEXT_ENDINGS.has(endingOf(file.filename))) return "text";
  return "other";
}

/** Whether browsers show the file itself; of other pictures there is only the preview. */
export function isShownByBrowsers(file) {
  return PICTURES.has(bareType(file));
}

function bareType(file) {
  return (file.content_type ?? "").split(";")[0].trim().toLowerCase();
}

function endingOf(name) {
  const label = labelOf(name).toLowerCase();
  return label.slice(label.lastIndexOf(".") + 1);
}
