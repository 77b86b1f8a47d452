/* What only Node.js has (Electron's main process, too): files to send, files to fetch into, and one that keeps tokens and uploads. */

import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

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

/**
 * Puts a download into a file, which is there once it is verified. What has arrived lies beside it until then, also for another process.
 * @param {string} path of the file, in a folder that is there
 * @returns {import("./index.js").Sink<string>}
 */
export function fileSink(path) {
  const name = createHash("sha256").update(basename(path)).digest("hex").slice(0, 8);
  let part = "";
  /** @type {import("node:fs/promises").FileHandle | null} */
  let file = null;
  const opened = () => file ?? fail("The download has not begun");
  const stop = async () => {
    const closing = file;
    file = null;
    await closing?.close();
  };
  return {
    stop,
    async begin({ sha256, size }) {
      await stop();
      part = join(dirname(path), `.transfer-${name}-${sha256.slice(0, 24)}.part`);
      file = await open(part, constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0), 0o666);
      const kept = (await file.stat()).size;
      if (kept <= size) return kept;
      await file.truncate(0);
      return 0;
    },
    async read(start, end) {
      const bytes = new Uint8Array(end - start);
      const { bytesRead } = await opened().read(bytes, 0, bytes.length, start);
      return bytes.subarray(0, bytesRead);
    },
    async write(bytes, offset) {
      for (let at = 0; at < bytes.length; ) {
        at += (await opened().write(bytes, at, bytes.length - at, offset + at)).bytesWritten;
      }
    },
    async clear() {
      await stop();
      await rm(part, { force: true });
    },
    async finish() {
      await opened().sync();
      await stop();
      await rename(part, path);
      return path;
    },
  };
}

/** @param {string} words @returns {never} */
function fail(words) {
  throw new Error(words);
}
