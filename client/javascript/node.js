/* What only Node.js has (Electron's main process, too): files to send, and a file that keeps tokens and uploads. */

import { open, readFile, rename, stat, writeFile } from "node:fs/promises";
import { basename } from "node:path";

/** @typedef {import("./index.js").Storage} Storage */

/** A file to send, which is read while it is sent. Throws what `stat` does. @param {string} path @returns {Promise<import("./index.js").Sliceable & { name: string }>} */
export async function openFile(path) {
  const { size, mtimeMs } = await stat(path);
  /** @param {number} start @param {number} end */
  const read = async (start, end) => {
    const file = await open(path);
    try {
      const facts = await file.stat();
      if (facts.size !== size || facts.mtimeMs !== mtimeMs) throw new Error(`${path} was changed`);
      const bytes = new Uint8Array(end - start);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
      return bytes.buffer.slice(0, bytesRead);
    } finally {
      await file.close();
    }
  };
  return { name: basename(path), size, lastModified: Math.round(mtimeMs), slice: (start, end) => ({ arrayBuffer: () => read(start, end) }) };
}

/** Keeps what a client has to remember in one file, which only its owner can read. @param {string} path @returns {Storage} */
export function fileStorage(path) {
  /** @type {Promise<unknown>} */
  let turn = Promise.resolve();
  const readAll = async () => {
    const text = await readFile(path, "utf8").catch((error) => {
      if (error.code === "ENOENT") return "{}";
      throw error;
    });
    return /** @type {Record<string, string>} */ (JSON.parse(text));
  };
  /** @param {(kept: Record<string, string>) => void} change @returns {Promise<void>} */
  const changed = (change) => {
    const changing = turn.then(async () => {
      const kept = await readAll();
      change(kept);
      const next = `${path}.${process.pid}.new`;
      await writeFile(next, JSON.stringify(kept), { mode: 0o600 });
      await rename(next, path); // in one step: a kill leaves the old one or the new one
    });
    turn = changing.catch(() => {});
    return changing;
  };
  return {
    getItem: async (key) => (await readAll())[key] ?? null,
    setItem: (key, value) => changed((kept) => { kept[key] = value; }),
    removeItem: (key) => changed((kept) => { delete kept[key]; }),
  };
}
