/* Where downloads go in browsers. That of Node.js is in node.js. */

/** @typedef {import("./index.js").FileVersion} FileVersion */

const PIECE_BYTES = 8 * 1024 * 1024;

/** Holds it in memory, and gives a Blob. The same sink given again goes on. @param {{ type?: string }} [options] @returns {import("./index.js").Sink<Blob>} */
export function blobSink({ type } = {}) {
  /** @type {Blob[]} */
  let parts = [];
  let version = "";
  const whole = () => new Blob(parts, type ? { type } : {});
  return {
    begin({ sha256 }) {
      if (version !== sha256) parts = [];
      version = sha256;
      return whole().size;
    },
    read: async (start, end) => new Uint8Array(await whole().slice(start, end).arrayBuffer()),
    write: (bytes) => void parts.push(new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (bytes)])),
    clear: () => { parts = []; },
    finish: whole,
  };
}

/**
 * Keeps it on the disk of the browser, in pieces that outlive the page, and gives a Blob of them. Call `clear` once that has been used.
 * @param {FileSystemDirectoryHandle} folder such as `await navigator.storage.getDirectory()` gives
 * @returns {import("./index.js").Sink<Blob> & { clear(): Promise<void> }}
 */
export function folderSink(folder) {
  let prefix = "";
  let size = 0;
  /** @type {Uint8Array[]} */
  let held = [];
  let heldBytes = 0;
  let count = 0;
  /** @param {number} number */
  const piece = async (number) => (await folder.getFileHandle(`${prefix}-${number}`)).getFile();
  const flush = async () => {
    const handle = await folder.getFileHandle(`${prefix}-${count}`, { create: true });
    const writable = await handle.createWritable();
    await writable.write(new Blob(/** @type {Uint8Array<ArrayBuffer>[]} */ (held)));
    await writable.close(); // from here on it is there, and not before
    [held, heldBytes, count] = [[], 0, count + 1];
  };
  return {
    async begin(version) {
      prefix = `transfer-${version.sha256.slice(0, 24)}`;
      size = version.size;
      [held, heldBytes, count] = [[], 0, 0];
      while ((await piece(count).catch(() => null))?.size === PIECE_BYTES) count += 1;
      return Math.min(count * PIECE_BYTES, size);
    },
    async read(start, end) {
      const number = Math.floor(start / PIECE_BYTES); // one that is read does not go over its end
      const at = number * PIECE_BYTES;
      return new Uint8Array(await (await piece(number)).slice(start - at, end - at).arrayBuffer());
    },
    async write(bytes, offset) {
      const room = PIECE_BYTES - heldBytes;
      held.push(bytes.slice(0, room));
      heldBytes += Math.min(bytes.length, room);
      if (heldBytes === PIECE_BYTES) await flush();
      if (bytes.length > room) await this.write(bytes.subarray(room), offset + room);
    },
    async clear() {
      for (let number = 0; await folder.removeEntry(`${prefix}-${number}`).then(() => true, () => false); ) number += 1;
      [held, heldBytes, count] = [[], 0, 0];
    },
    async finish() {
      if (heldBytes) await flush();
      return new Blob(await Promise.all(Array.from({ length: count }, (_, number) => piece(number))));
    },
  };
}
