/* Files as downloads of the browser: one as it is, more as one archive. */

import { api, urlOf } from "../core/api.js";
import { t } from "../core/messages.js";
import { textOf } from "../core/problems.js";
import { say } from "../ui/toast.js";

/** Where the bytes of a file are. */
export function downloadUrl({ id }) {
  return urlOf(`/api/files/${id}/download`);
}

/** Download items. What is unfinished is left out. */
export async function download(items) {
  const whole = items.filter((item) => item.isWhole);
  try {
    if (whole.length === 1 && !whole[0].isFolder) return follow(downloadUrl(whole[0]), whole[0].label);
    const name = whole.length === 1 ? whole[0].label : t("files.archive");
    const bundle = await api("POST", "/api/bundles", { json: { ...idsOf(whole), name } });
    follow(bundle.url, `${name}.zip`);
  } catch (error) {
    say(textOf(error, { 404: t("files.nothing_to_download"), 400: t("files.too_many") }), { isProblem: true });
  }
}

/* Empty lists are none. */
function idsOf(items) {
  const folders = items.filter((item) => item.isFolder).map((item) => item.name);
  const files = items.filter((item) => !item.isFolder).map((item) => item.id);
  return { ...(files.length && { file_ids: files }), ...(folders.length && { folders }) };
}

function follow(url, name) {
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
}
