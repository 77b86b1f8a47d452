/* What people choose, drop or paste: files with the paths they have in it, and folders that are empty. */

import { nameIn } from "./decisions.js";

/** The files of an input, or pasted ones: `{file, name}` each. */
export function fromFiles(files, folder) {
  return [...files].map((file) => ({ file, name: nameIn(folder, file.webkitRelativePath || file.name) }));
}

/**
 * All that was dropped: `{files, folders, unreadable}`, the names of empty folders, and of what cannot be read. To be
 * called while the event is told: later its items are gone.
 */
export function fromDrop(event, folder) {
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
  const found = { files: [], folders: [], unreadable: [] };
  return Promise.all(entries.map((entry) => readEntry(entry, folder, found))).then(() => found);
}

async function readEntry(entry, folder, found) {
  if (entry instanceof File) {
    found.files.push({ file: entry, name: nameIn(folder, entry.name) });
    return;
  }
  const name = nameIn(folder, entry.fullPath);
  try {
    if (entry.isFile) found.files.push({ file: await fileOf(entry), name });
    else await readFolder(entry, name, folder, found);
  } catch {
    found.unreadable.push(name);
  }
}

async function readFolder(entry, name, folder, found) {
  const reader = entry.createReader();
  let count = 0;
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    count += some.length;
    for (const each of some) await readEntry(each, folder, found);
  }
  if (!count) found.folders.push(name);
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}
