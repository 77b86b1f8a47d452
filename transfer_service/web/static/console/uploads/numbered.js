/* Files that got a number, because their names were taken: told once they have arrived, and what may be done about it. */

import { api, encodeName } from "../core/api.js";
import { createStore } from "../core/store.js";
import { commonFolder, isNumbered } from "./decisions.js";

const ASKED_ONE_BY_ONE = 10;
const PAGE = 1000;

/** `{fileId, wanted, name}` each: the name that was wanted, and the one that it got. */
export const numbered = createStore([]);

/** Find out which of these entries, which have arrived, are called otherwise than they were to be. */
export async function lookAtNames(entries) {
  const names = entries.length <= ASKED_ONE_BY_ONE ? await namesOf(entries) : await namesBelow(entries);
  const found = entries.map(({ fileId, name }) => ({ fileId, wanted: name.normalize("NFC"), name: names.get(fileId) }));
  const told = found.filter((each) => each.name && isNumbered(each.name, each.wanted));
  if (told.length) numbered.set((all) => [...all, ...told]);
}

async function namesOf(entries) {
  const files = await Promise.all(entries.map(({ fileId }) => api("GET", `/api/files/${fileId}`)));
  return new Map(files.map((each) => [each.file_id, each.filename]));
}

/* The newest files are those that have arrived, and a few of others. */
async function namesBelow(entries) {
  const names = new Map();
  const query = { prefix: commonFolder(entries.map(({ name }) => name.normalize("NFC"))), status: "complete", limit: PAGE };
  let cursor = null;
  do {
    const page = await api("GET", "/api/files", { query: { ...query, cursor } });
    for (const { file_id: id, filename } of page.files) names.set(id, filename);
    cursor = page.next_cursor;
  } while (cursor && names.size < 2 * entries.length + PAGE);
  return names;
}

/** Leave both where they are. */
export function keep(each) {
  numbered.set((all) => all.filter((other) => other !== each));
}

/* Somebody else has deleted it, or an earlier try that went no further. */
function gone(error) {
  if (error.status !== 404) throw error;
}

/** Delete the old file, and give the new one its name. Raises ApiError. */
export async function replace(each) {
  const old = await api("GET", `/api/files/status/${encodeName(each.wanted)}`).catch(gone);
  if (old?.status === "complete" && old.file_id !== each.fileId) await api("DELETE", `/api/files/${old.file_id}`).catch(gone);
  await api("PATCH", `/api/files/${each.fileId}`, { json: { filename: each.wanted } });
  keep(each);
}
