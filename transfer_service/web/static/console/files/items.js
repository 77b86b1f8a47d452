/* What a list of files has in it: folders and files, as the pages show them. */

const TYPES = [["image/", "picture"], ["video/", "film"], ["audio/", "audio"], ["text/", "text"], ["application/pdf", "text"]];
const ARCHIVES = /zip|tar|gzip|x-7z|x-rar|x-bzip|x-xz|zstd/;

/** The last label of a name. */
export function labelOf(name) {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** The folder that a name lies in; empty for the top. */
export function folderOf(name) {
  return name.slice(0, Math.max(name.lastIndexOf("/"), 0));
}

/** A label in a folder. */
export function within(folder, label) {
  return folder ? `${folder}/${label}` : label;
}

/** A file of the API. `isWhole` is false while bytes are missing: then nothing can be read of it. */
export function fileItem(file) {
  return {
    key: file.file_id, id: file.file_id, isFolder: false, name: file.filename, label: labelOf(file.filename), type: file.content_type,
    size: file.total_bytes, received: file.bytes_received, isWhole: file.status === "complete", created: file.created_at, updated: file.updated_at,
  };
}

/** A folder of the API. */
export function folderItem({ path, created_at: created }) {
  return { key: `${path}/`, isFolder: true, name: path, label: labelOf(path), isWhole: true, created, updated: created };
}

/** The same, renamed or moved. */
export function renamedItem(item, name) {
  return { ...item, name, label: labelOf(name), key: item.isFolder ? `${name}/` : item.key };
}

/** The symbol for what it is. */
export function iconOf(item) {
  if (item.isFolder) return "folder";
  const known = TYPES.find(([begin]) => item.type?.startsWith(begin));
  return known?.[1] ?? (ARCHIVES.test(item.type ?? "") ? "archive" : "file");
}
