/* What only Node.js has (Electron's main process, too): files to send, files to fetch into, and a folder that keeps tokens and uploads. */

import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
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

/**
 * Keeps what a client has to remember in a folder, which only its owner can read: a file for each key, so that processes that share it
 * do not undo what another one has written.
 * @param {string} folder made where there is none
 * @returns {Storage}
 */
export function fileStorage(folder) {
  /** @param {string} key */
  const pathOf = (key) => join(folder, createHash("sha256").update(key).digest("hex").slice(0, 32));
  return {
    getItem: (key) => readFile(pathOf(key), "utf8").catch((error) => {
      if (error.code === "ENOENT") return null;
      throw error;
    }),
    async setItem(key, value) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const next = `${pathOf(key)}.${process.pid}-${count++}.new`;
      await writeFile(next, value, { mode: 0o600 });
      await rename(next, pathOf(key)); // in one step: a kill leaves the old one or the new one
    },
    removeItem: (key) => rm(pathOf(key), { force: true }),
  };
}

let count = 0;

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
