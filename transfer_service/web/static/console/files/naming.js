/* Other names and places for files and folders. */

import { api, encodeName } from "../core/api.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { labelOf, renamedItem, within } from "./items.js";

const MOST_BYTES = 255;
const FORBIDDEN = /[\\\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

/** Why a folder or file cannot be called this; empty where nothing is known against it. */
export function faultOf(label) {
  const name = label.trim();
  if (!name) return t("files.name_missing");
  if (name.includes("/")) return t("files.name_slash");
  if (FORBIDDEN.test(name) || name === "." || name === "..") return t("files.name_refused");
  return new TextEncoder().encode(name.normalize("NFC")).length > MOST_BYTES ? t("files.name_long") : "";
}

/** What refusals of a name mean. */
export const problems = () => ({ 400: t("files.name_refused"), 404: t("files.gone"), 409: t("files.name_taken") });

/** Give an item another name or place. Resolves to what it is then; raises ApiError. */
export async function rename(item, name) {
  if (name === item.name) return item;
  if (item.isFolder) await api("PATCH", `/api/folders/${encodeName(item.name)}`, { json: { path: name } });
  else await api("PATCH", `/api/files/${item.id}`, { json: { filename: name } });
  return renamedItem(item, name);
}

/** Move items into a folder, one after another. Gives those that did not go, each with its error. */
export async function moveInto(items, place, onDone) {
  const failed = [];
  const moved = [];
  for (const item of items) {
    await rename(item, within(place, labelOf(item.name))).then((now) => now !== item && moved.push([item, now]), (error) => failed.push({ item, error }));
  }
  if (moved.length) onDone(moved, place);
  return failed;
}

/** Why items did not go where they were to go, in words. */
export function refusalOf(failed) {
  const { item, error } = failed[0];
  const why = textOf(error, { 400: t("files.move_refused"), 404: t("files.gone"), 409: t("files.place_taken") });
  return failed.length === 1 ? t("files.not_moved", { name: item.label, why }) : t("files.not_moved_several", { count: failed.length, why });
}
