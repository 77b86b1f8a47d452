/* Downloads: by ranges of one version, gone on with after whatever has stopped them, verified by SHA-256 before they count. */

import { createSha256 } from "./digests.js";
import { DigestMismatch, TransferError } from "./errors.js";
import { listening, Lost, Patience, throwIfAborted, untilSilent } from "./patience.js";
import { problemOf } from "./session.js";

/** @typedef {import("./index.js").DownloadOptions} DownloadOptions */
/** @typedef {{ path: string, name: string, size: number, sha256: string }} Version */

const READ_BYTES = 1024 * 1024;
const PIECE_BYTES = 4 * 1024 * 1024;
const TRIES = 3;

/** The service has other bytes now, or cannot go on where this stands. */
class Changed extends TransferError {}

/** @template T */
export class Download {
  #at = 0;
  #digest = /** @type {Awaited<ReturnType<typeof createSha256>>} */ (/** @type {any} */ (null));
  #session;
  /** @type {string | undefined} the account that it is fetched for */
  #as;
  #find;
  #sink;
  #options;
  #onProgress;
  #patience;
  #pieceBytes;

  /**
   * @param {import("./session.js").Session} session
   * @param {(isNew: boolean, asked: import("./session.js").Asked) => Promise<Version>} find what there is to fetch, asked for anew where `isNew`
   * @param {import("./index.js").Sink<T>} sink
   * @param {DownloadOptions} options
   */
  constructor(session, find, sink, options) {
    this.#session = session;
    this.#find = find;
    this.#sink = sink;
    this.#options = options;
    this.#onProgress = listening(options.onProgress);
    this.#patience = new Patience(session.patienceSeconds, options.signal);
    const canStream = "body" in Response.prototype; // not in React Native, which would hold it all
    this.#pieceBytes = options.pieceBytes ?? (canStream ? Infinity : PIECE_BYTES);
  }

  /** What the sink makes of it. Throws DigestMismatch, ApiError, Unavailable, and the signal's reason. @returns {Promise<T>} */
  async run() {
    this.#as = await this.#session.account();
    const asked = { as: this.#as, signal: this.#options.signal };
    let version = await this.#find(false, asked);
    try {
      for (let tries = 1; ; tries++) {
        const digest = await this.#fetch(version).catch((problem) => {
          if (!(problem instanceof Changed)) throw problem;
          if (tries === TRIES) throw new TransferError(problem.message);
          return null;
        });
        if (digest === version.sha256) return /** @type {T} */ (await kept(this.#sink.finish?.()));
        await kept(this.#sink.clear?.());
        if (digest && tries > 1) throw new DigestMismatch(`${version.name} arrived with other bytes than the service has`);
        version = await this.#find(true, asked);
      }
    } finally {
      await this.#sink.stop?.();
    }
  }

  /** The digest of all of a version, once it is in the sink. @param {Version} version */
  async #fetch(version) {
    const { size } = version;
    this.#digest = await createSha256();
    this.#at = (await kept(this.#sink.begin?.(version))) ?? 0;
    for (let at = 0; at < this.#at; at += READ_BYTES) {
      throwIfAborted(this.#options.signal);
      const bytes = await kept(this.#sink.read?.(at, Math.min(at + READ_BYTES, this.#at)));
      if (!bytes) throw new TransferError("A sink that keeps bytes has to read them, too");
      this.#digest.update(bytes);
    }
    this.#onProgress(this.#at, size);
    while (this.#at < size) {
      await this.#receive(version).catch((problem) => this.#patience.wait(problem));
    }
    return this.#digest.hex();
  }

  /** One request, from where this stands. @param {Version} version */
  #receive({ path, size, sha256 }) {
    const start = this.#at;
    const end = Math.min(size, start + this.#pieceBytes);
    // The ETag of a file is its SHA-256: so what was kept goes on with the very same bytes, or not at all.
    /** @type {Record<string, string>} */
    const range = start || end < size ? { Range: `bytes=${start}-${end - 1}`, "If-Range": `"${sha256}"` } : {};
    return untilSilent(this.#options.signal, async (signal, touch) => {
      const answer = await this.#session.send("GET", path, { headers: { Accept: "*/*", ...range }, signal, isFollowing: true, as: this.#as });
      touch();
      if (answer.status === 416 || (answer.status === 200 && start)) throw new Changed("The file was changed while it was fetched");
      if (!answer.ok) throw await problemOf(answer);
      const told = answer.status === 206 ? answer.headers.get("Content-Range") : null; // an object store may not show it
      if (told && (!told.startsWith(`bytes ${start}-`) || !told.endsWith(`/${size}`))) throw new Changed("The answer is of another version");
      for await (const bytes of blocksOf(answer)) {
        if (this.#at + bytes.length > (answer.status === 206 ? end : size)) throw new Changed("The answer is longer than the file");
        await this.#take(bytes, size);
        touch();
      }
      if (this.#at < end) throw new Lost("The answer was cut short");
    });
  }

  /** @param {Uint8Array} bytes @param {number} size */
  async #take(bytes, size) {
    await kept(this.#sink.write(bytes, this.#at));
    this.#digest.update(bytes);
    this.#at += bytes.length;
    this.#patience.renew();
    this.#onProgress(this.#at, size);
  }
}

/** @param {Response} answer @returns {AsyncGenerator<Uint8Array>} */
async function* blocksOf(answer) {
  if (!answer.body?.getReader) return yield new Uint8Array(await answer.arrayBuffer());
  const reader = answer.body.getReader();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
  } finally {
    reader.cancel().catch(() => {}); // also where the caller has had enough: its connection is free then
  }
}

/** What the sink answered; its faults are no faults of the network. @template T @param {T | Promise<T>} answered @returns {Promise<T>} */
async function kept(answered) {
  try {
    return await answered;
  } catch (cause) {
    throw new TransferError(`What arrived cannot be kept: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}
