/* What is done about an answer that is no success, and which unfinished upload may be the one of a file. */

import { PASSING } from "../core/passing.js";

const LOCKED = 423;

/**
 * `wait` for what passes by itself, `renew` where the session has ended, `gone` where the upload is not there any more,
 * `fail` for what somebody has to do something about. A 409 at an upload is an offset that has moved: ask for it again.
 */
export function decide(status, hasUrl) {
  if (status === 401) return "renew";
  if (PASSING.has(status) || status === LOCKED || (status === 409 && hasUrl)) return "wait";
  if ((status === 404 || status === 410) && hasUrl) return "gone";
  return "fail";
}

/** The key of the text for a refusal. The service tells quota and limit apart by its words only. */
export function problemOf(status, text) {
  if (status === 413) return /quota/i.test(text) ? "quota" : /link/i.test(text) ? "link_room" : "too_large";
  if (status === 409) return /folder/i.test(text) ? "folder_in_way" : "file_in_way";
  if (status === 400) return "refused";
  if (status === 403) return "forbidden";
  if (status === 404 || status === 410) return "gone";
  if (status === 507) return "full";
  return "other";
}

/** The unfinished uploads (of GET /api/uploads) that may be of a file: begun by tus, with its name and length. */
export function candidatesOf(uploads, { name, size }) {
  const wanted = name.normalize("NFC");
  return uploads.filter((each) => each.protocol === "tus" && each.length === size && each.filename === wanted);
}

/** The texts of an Upload-Metadata, by name. */
export function readMetadata(header) {
  const found = {};
  for (const pair of (header ?? "").split(",")) {
    const [name, value = ""] = pair.trim().split(" ");
    if (name) found[name] = new TextDecoder().decode(Uint8Array.from(atob(value), (each) => each.charCodeAt(0)));
  }
  return found;
}

/** The NAME that a file gets: the folder shown, then its own path in what was chosen. */
export function nameIn(folder, path) {
  const own = path.replace(/^\/+/, "");
  return folder ? `${folder}/${own}` : own;
}

/** The folder, with its slash, that all names lie in; empty for the top. */
export function commonFolder(names) {
  let common = names[0].slice(0, names[0].lastIndexOf("/") + 1);
  for (const name of names) while (!name.startsWith(common)) common = common.slice(0, common.lastIndexOf("/", common.length - 2) + 1);
  return common;
}

/** Whether a name is the wanted one with a number: `photo (2).jpg` for `photo.jpg`. Long names are cut for it. */
export function isNumbered(name, wanted) {
  return name !== wanted && / \(\d+\)(\.[^./]*)?$/.test(name) && commonFolder([name]) === commonFolder([wanted]);
}
