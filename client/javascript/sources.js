/* What is to be sent: anything that can be read at any place, or a stream, which can be read once. */

import { createSha256 } from "./digests.js";
import { TransferError } from "./errors.js";

/** @typedef {import("./index.js").UploadSource} UploadSource */

const PIECE_BYTES = 1024 * 1024;
const STREAM_PIECE_BYTES = 8 * 1024 * 1024;

/** @param {UploadSource} given @param {{ size?: number }} [told] @returns {Promise<PlaceSource | StreamSource>} */
export async function openSource(given, { size } = {}) {
  if (given instanceof ArrayBuffer) return new PlaceSource(new Uint8Array(given));
  if (ArrayBuffer.isView(given)) return new PlaceSource(new Uint8Array(given.buffer, given.byteOffset, given.byteLength));
  if ("uri" in given) return new PlaceSource(await (await fetch(given.uri)).blob()); // React Native's word for a file
  if ("slice" in given) return new PlaceSource(given);
  return new StreamSource("getReader" in given ? given : given[Symbol.asyncIterator](), size ?? null);
}

/** Bytes, a Blob, or what has its `size` and `slice`. */
class PlaceSource {
  isStream = false;
  #given;

  /** @param {Uint8Array | import("./index.js").Sliceable} given */
  constructor(given) {
    this.#given = given;
    /** @type {number | null} */
    this.size = given instanceof Uint8Array ? given.length : given.size;
    this.mayBeHashed = given instanceof Uint8Array || typeof given.slice(0, 0).arrayBuffer === "function"; // not in old React Native
  }

  /** @param {number} start @param {number} end @returns {Promise<Uint8Array<ArrayBuffer>>} */
  async read(start, end) {
    const given = this.#given;
    if (given instanceof Uint8Array) return /** @type {Uint8Array<ArrayBuffer>} */ (given.subarray(start, end));
    const bytes = await given.slice(start, end).arrayBuffer().catch(unreadable);
    if (bytes.byteLength !== end - start) throw new TransferError("The file was changed while it was sent");
    return new Uint8Array(bytes);
  }

  /** What a request may be made of: a Blob stays one where requests take it. @param {number} start @param {number} end @param {boolean} takesBlobs */
  async body(start, end, takesBlobs) {
    const isBlob = takesBlobs && !(this.#given instanceof Uint8Array) && this.#given instanceof Blob;
    const stop = isBlob ? end : Math.min(end, start + STREAM_PIECE_BYTES);
    return { value: isBlob ? /** @type {Blob} */ (this.#given).slice(start, end) : await this.read(start, stop), end: stop };
  }

  /** The SHA-256 of it all, in hex. @param {AbortSignal} signal @param {() => void} touch */
  async digest(signal, touch) {
    const size = this.size ?? 0;
    const digest = await createSha256();
    for (let at = 0; at < size; at += PIECE_BYTES) {
      if (signal.aborted) return null;
      digest.update(await this.read(at, Math.min(at + PIECE_BYTES, size)));
      touch();
    }
    return digest.hex();
  }

  close() {}
}

/** A stream: what was read last can be read again. */
class StreamSource {
  isStream = true;
  mayBeHashed = true;
  #next;
  #close;
  #isOver = false;
  #start = 0;
  /** @type {Uint8Array} */
  #held = new Uint8Array(0);
  /** @type {Awaited<ReturnType<typeof createSha256>> | null} */
  #digest = null;

  /** @param {ReadableStream<Uint8Array> | AsyncIterator<Uint8Array>} given @param {number | null} size */
  constructor(given, size) {
    this.size = size;
    const reader = "getReader" in given ? given.getReader() : null;
    this.#next = () => (reader ? reader.read() : /** @type {AsyncIterator<Uint8Array>} */ (given).next());
    this.#close = () => (reader ? reader.cancel() : /** @type {AsyncIterator<Uint8Array>} */ (given).return?.());
  }

  /** Nothing more is read: a file or a pipe behind it is let go. */
  async close() {
    await (this.#isOver ? null : this.#close()?.catch(() => {}));
  }

  /** @param {number} start @param {number} end @param {boolean} _takesBlobs */
  async body(start, end, _takesBlobs) {
    if (start < this.#start) throw new TransferError("A stream cannot be read again from its beginning");
    this.#held = this.#held.subarray(start - this.#start);
    this.#start = start;
    const wanted = Math.min(end - start, STREAM_PIECE_BYTES);
    await this.#fill(wanted + 1); // one more, to know whether it is over
    const value = this.#held.slice(0, wanted);
    return { value, end: start + value.length };
  }

  /** @param {number} end */
  isEnd(end) {
    return this.#isOver && end === this.#start + this.#held.length;
  }

  /** The SHA-256 of what has been read, in hex. */
  async digest() {
    return this.#digest?.hex() ?? (await createSha256()).hex();
  }

  /** @param {number} count */
  async #fill(count) {
    this.#digest ??= await createSha256();
    const parts = [this.#held];
    let held = this.#held.length;
    while (held < count && !this.#isOver) {
      const { done, value } = await this.#next().catch(unreadable);
      this.#isOver = Boolean(done);
      if (!value || done) continue;
      this.#digest.update(value);
      parts.push(value);
      held += value.length;
    }
    this.#held = new Uint8Array(held);
    let at = 0;
    for (const part of parts) {
      this.#held.set(part, at);
      at += part.length;
    }
  }
}

/** @param {unknown} cause @returns {never} */
function unreadable(cause) {
  throw new TransferError("The file cannot be read, or was changed while it was sent", { cause });
}
