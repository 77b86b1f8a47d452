/* What lies at the service: files, folders, links. */

import { TransferError } from "./errors.js";
import { encodeLabel, encodeName } from "./session.js";

/** @typedef {import("./index.js").TransferFile} TransferFile */
/** @typedef {import("./session.js").Session} Session */

/** @param {string | { file_id: string }} file */
export function idOf(file) {
  return encodeLabel(typeof file === "string" ? file : file.file_id);
}

/** @param {Session} session @param {import("./index.js").ListOptions} query */
export async function* list(session, query) {
  for await (const page of session.pages("/api/files", { ...query })) yield* page.files;
}

/** @param {Session} session @param {string} folder */
export async function* browse(session, folder) {
  for await (const page of session.pages("/api/files", { folder, sort: "name", limit: 1000 })) {
    for (const each of page.folders) yield { ...each, type: "folder" };
    for (const each of page.files) yield { ...each, type: "file" };
  }
}

/** @param {Session} session @param {string} name @returns {Promise<TransferFile | null>} */
export async function find(session, name) {
  const told = await session.json("GET", `/api/files/status/${encodeName(name)}`);
  return told.file_id && told.filename === name.normalize("NFC") ? told : null; // the address takes ids, too
}

/** What there is to fetch of a file or a message. @param {Session} session @param {string | TransferFile | import("./index.js").Attached} file @param {boolean} isNew @param {import("./session.js").Asked} asked */
export async function versionOf(session, file, isNew, asked) {
  if (typeof file !== "string" && "media_url" in file) {
    if (!file.media || !file.media_url?.startsWith("/")) throw new TransferError("The message has no file");
    return versionAt(file.media_url, file.media);
  }
  const isKnown = typeof file !== "string" && file.status === "complete" && !isNew;
  const known = isKnown ? file : /** @type {TransferFile} */ (await session.json("GET", `/api/files/${idOf(file)}`, asked));
  if (!known.sha256) throw new TransferError(`${known.filename} is not complete at the service`);
  return versionAt(`/api/files/${idOf(known)}/download`, { name: known.filename, size: known.total_bytes, sha256: known.sha256 });
}

/** Sinks make names of their own of these. @param {string} path @param {{ name: string, size: number | null, sha256: string }} told */
function versionAt(path, { name, size, sha256 }) {
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256) || size === null || !(Number.isSafeInteger(size) && size >= 0)) {
    throw new TransferError("The service tells no size or SHA-256 of the file");
  }
  return { path, name, size, sha256 };
}

/** @param {Session} session @param {import("./index.js").LinkOptions} options */
export function makeLink(session, { files = [], folders = [], expiresIn, maxDownloads, name, password }) {
  const what = { ...(files.length ? { file_ids: files.map(idOf) } : {}), ...(folders.length ? { folders } : {}) };
  return session.json("POST", "/api/links", { json: { ...what, ...given({ name, password, expires_in: expiresIn, max_downloads: maxDownloads }) } });
}

/** @param {Session} session @param {string | TransferFile | import("./index.js").Attached} file @param {import("./index.js").AddressOptions} options */
export function signAddress(session, file, { expiresIn, inline, thumbnail }) {
  const path = typeof file === "object" && "_id" in file ? `/messages/${encodeLabel(file._id)}` : `/api/files/${idOf(file)}`;
  return session.json("POST", `${path}/url`, { json: given({ expires_in: expiresIn, inline, thumbnail }), isRepeatable: true });
}

/** Fields without those that are undefined: the service takes no null for "none". @param {Record<string, unknown>} fields */
export function given(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
