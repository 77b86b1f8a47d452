/* One attempt at sending by tus-js-client: from the beginning, or from where the service stands, to the end or to what stops it. */

import { reprDigest } from "./digests.js";
import { TransferError } from "./errors.js";
import { Lost, problemFrom, reasonOf } from "./patience.js";

/** @typedef {typeof import("tus-js-client")} Tus */
/** @typedef {Awaited<ReturnType<typeof import("./sources.js").openSource>>} Source */
/**
 * @typedef {object} Task
 * @property {import("./session.js").Session} session
 * @property {() => Promise<string>} token of the account that it is sent for
 * @property {Source} source
 * @property {string | null} id of an upload to go on with
 * @property {Record<string, string>} metadata
 * @property {() => Promise<string | null>} digest of the source, in hex; null where none is to be compared
 * @property {(id: string) => void} onId an upload was made
 * @property {(offset: number) => void} onOffset where the service says it stands
 * @property {() => number} pieceBytes how much one request carries at most
 * @property {() => void} onPiece one has arrived
 * @property {(sent: number, total: number | null) => void} onProgress
 */

const LAST_BYTES = 64 * 1024; // sent when the digest is known, which goes along with them
const SILENT_MS = 90_000;
const CREATED_MS = 3000;
const ID = /^[\w-]{1,64}$/;

/** @returns {Promise<Tus>} */
export async function loadTus() {
  const module = await import("tus-js-client");
  if (module.Upload) return module;
  return /** @type {any} */ (module).default ?? /** @type {any} */ (globalThis).tus; // what is built for `<script>` leaves it there
}

/** Whether it may be a part of an address. @param {string} id */
export function isId(id) {
  return ID.test(id);
}

/** A proxy on the way takes no piece of this length. */
export class TooLong extends Lost {}

export class Attempt {
  /** The token that was shown last. */
  shown = "";
  #task;
  #tus;
  #upload;
  #isLast = false;
  #isFirst = true;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #leaving;
  /** @type {(tell: () => void) => void} */
  #end = () => {};
  /** @type {(problem: unknown) => void} */
  #reject = () => {};
  /** @type {(fileId: string | null) => void} */
  #resolve = () => {};

  /** @param {Tus} tus @param {Task} task */
  constructor(tus, task) {
    this.#tus = tus;
    this.#task = task;
    const { id, metadata, source } = task;
    this.#upload = new tus.Upload(/** @type {any} */ ({}), {
      // With an endpoint, tus-js-client begins anew whenever its HEAD is refused, for whatever passing reason.
      ...(id ? { uploadUrl: `${this.#endpoint}/${id}` } : { endpoint: this.#endpoint }),
      metadata,
      fileReader: { openFile: async () => this.#reader() },
      fingerprint: async () => "",
      uploadLengthDeferred: source.size === null,
      retryDelays: null,
      storeFingerprintForResuming: false,
      onBeforeRequest: (request) => this.#prepare(request),
      onUploadUrlAvailable: () => this.#made(),
      onChunkComplete: () => this.#task.onPiece(),
      onProgress: (sent, total) => this.#moved(sent, total),
      onSuccess: ({ lastResponse }) => this.#end(() => this.#resolve(lastResponse.getHeader("X-File-Id") || null)),
      onError: (error) => this.#end(() => this.#reject(this.#problemOf(error))),
    });
  }

  get #endpoint() {
    return `${this.#task.session.url}/api/uploads`;
  }

  /** The id of the file, null where the service tells it later. Throws Lost, ApiError, and the signal's reason. @param {AbortSignal} signal @returns {Promise<string | null>} */
  run(signal) {
    return new Promise((resolve, reject) => {
      const stop = () => {
        const leave = () => this.#leave(reasonOf(signal));
        // What is being created is waited for: as long as nobody knows it, it takes up room.
        if (this.#task.id) leave();
        else this.#leaving = setTimeout(leave, CREATED_MS);
      };
      this.#resolve = resolve;
      this.#reject = reject;
      this.#end = (tell) => {
        clearTimeout(this.#timer);
        clearTimeout(this.#leaving);
        signal.removeEventListener("abort", stop);
        this.#end = () => {};
        tell();
      };
      this.#stopIfAsked = () => { if (signal.aborted) stop(); };
      signal.addEventListener("abort", stop);
      this.touch();
      this.#upload.start();
    });
  }

  #stopIfAsked = () => {};

  /** Something moved: the line is not silent. */
  touch() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#leave(new Lost("The line is silent")), SILENT_MS);
  }

  /** @param {unknown} problem */
  #leave(problem) {
    this.#end(() => {
      this.#upload.abort();
      this.#reject(problem);
    });
  }

  /** @param {import("tus-js-client").HttpRequest} request */
  async #prepare(request) {
    this.touch();
    this.shown = await this.#task.token();
    request.setHeader("Authorization", `Bearer ${this.shown}`);
    const digest = this.#isLast && request.getMethod() === "PATCH" ? await this.#task.digest() : null;
    if (digest) request.setHeader("Repr-Digest", reprDigest(digest));
  }

  #made() {
    if (this.#task.id) return;
    const id = this.#upload.url?.split("/").pop() ?? "";
    if (!isId(id)) return this.#leave(new TransferError("What answered is no Transfer Service"));
    this.#task.id = id;
    this.#upload.url = `${this.#endpoint}/${id}`; // the service may call itself by another name, and tokens go to no other one
    this.#upload.options.endpoint = null;
    this.#task.onId(id);
    this.#stopIfAsked();
  }

  /** @param {number} sent @param {number | null} total */
  #moved(sent, total) {
    this.touch();
    if (this.#isFirst) this.#task.onOffset(sent);
    this.#isFirst = false;
    try {
      this.#task.onProgress(sent, total || this.#task.source.size);
    } catch (problem) {
      this.#leave(problem); // browsers would tell it to nobody
    }
  }

  /** The source in pieces, as tus-js-client reads it. */
  #reader() {
    const { source } = this.#task;
    const takesBlobs = this.#tus.defaultOptions.httpStack.getName() !== "NodeHttpStack";
    const last = source.size === null ? Infinity : Math.max(0, source.size - LAST_BYTES);
    if (!source.isStream) this.#task.digest().catch((problem) => this.#leave(problem)); // what cannot be read is not sent for nothing
    return {
      size: /** @type {number} */ (source.size),
      close() {},
      slice: async (/** @type {number} */ start, /** @type {number} */ asked) => {
        const end = Math.min(asked, start + this.#task.pieceBytes());
        const piece = await source.body(start, start < last ? Math.min(end, last) : end, takesBlobs);
        this.#isLast = "isEnd" in source ? source.isEnd(piece.end) : piece.end === source.size;
        if (source.size !== null && this.#isLast !== (piece.end === source.size)) throw new TransferError("The stream is not as long as was told");
        if (this.#isLast) await this.#task.digest();
        if (piece.value instanceof Uint8Array) Object.assign(piece.value, { size: piece.value.length });
        return { value: piece.value, done: this.#isLast };
      },
    };
  }

  /** @param {Error | import("tus-js-client").DetailedError} error */
  #problemOf(error) {
    const cause = "causingError" in error ? error.causingError : error;
    if (cause instanceof TransferError) return cause;
    const answer = "originalResponse" in error ? error.originalResponse : null;
    if (!answer) return new Lost(cause ?? error);
    const problem = problemFrom(answer.getStatus(), answer.getBody() ?? "", answer.getHeader("Retry-After"));
    // The service itself names its protocol: a proxy on the way refused what may go through in smaller pieces.
    if (answer.getStatus() === 413 && !answer.getHeader("Tus-Resumable")) return new TooLong(problem);
    const isMoved = this.#task.id !== null && answer.getStatus() === 409; // its HEAD tells where it stands now
    return isMoved || /ended early/.test(problem.message) ? new Lost(problem) : problem;
  }
}
