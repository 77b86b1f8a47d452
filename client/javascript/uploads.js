/* Uploads: small files in one request, others by tus, gone on with after whatever has stopped them, verified by SHA-256. */

import { reprDigest } from "./digests.js";
import { ApiError, DigestMismatch, SignInNeeded, Unavailable } from "./errors.js";
import { idOf } from "./files.js";
import { listening, Lost, Patience, reasonOf, sleep } from "./patience.js";
import { newKey } from "./session.js";
import { openSource } from "./sources.js";
import { Attempt, isId, loadTus, TooLong } from "./tus_attempt.js";

/** @typedef {import("./index.js").Upload} Declared */
/** @typedef {import("./index.js").TransferFile} TransferFile */
/** @typedef {import("./index.js").UploadOptions} UploadOptions */
/** @typedef {import("./index.js").UploadSource} UploadSource */
/** @typedef {Awaited<ReturnType<typeof openSource>>} Source */

const SMALL_BYTES = 256 * 1024;
const FIRST_LESS_BYTES = 16 * 1024 * 1024;
const LEAST_BYTES = 128 * 1024;
const ASKED_EVERY_MS = 1000;
const MOST_REFUSALS = 3; // of new tokens, without a byte between
/** @type {Set<string>} */
const underWay = new Set();

/** @implements {Declared} */
export class Upload {
  /** @type {import("./index.js").UploadState} */
  state = "running";
  #session;
  /** @type {string | undefined} the account that it is sent for */
  #as;
  #given;
  #options;
  #onProgress;
  #name;
  #patience;
  /** @type {Source} */
  #source = /** @type {any} */ (null);
  /** @type {Promise<string | null> | null} */
  #digest = null;
  /** @type {string | null} */
  #id = null;
  /** @type {string | null} */
  #key = null;
  #acknowledged = 0;
  #furthest = 0;
  #refusals = 0;
  #hasBroken = false;
  #pieceBytes = Infinity;
  #growth = 1.25;
  /** @type {AbortController} ends what is under way */
  #stopping = new AbortController();
  #ending = new AbortController();
  /** @type {() => void} */
  #wake = () => {};
  /** @type {() => void} */
  #touch = () => {};
  #shown = "";

  /** @param {import("./session.js").Session} session @param {UploadSource} given @param {UploadOptions} options */
  constructor(session, given, options) {
    this.#session = session;
    this.#given = given;
    this.#options = options;
    this.#onProgress = listening(options.onProgress);
    const name = options.name ?? /** @type {{ name?: string }} */ (given).name;
    if (!name) throw new TypeError("An upload needs a name");
    this.#name = name;
    this.#patience = new Patience(session.patienceSeconds, this.#ending.signal);
    const stop = () => this.#end(options.signal && reasonOf(options.signal));
    options.signal?.addEventListener("abort", stop);
    if (options.signal?.aborted) stop();
    /** @type {Promise<TransferFile>} */
    this.done = this.#run().finally(() => {
      options.signal?.removeEventListener("abort", stop);
      if (this.#key) underWay.delete(this.#key);
      void this.#source?.close();
    });
    this.done.then(() => { this.state = "done"; }, () => { if (this.state !== "cancelled") this.state = "failed"; });
  }

  pause() {
    if (this.state !== "running") return;
    this.state = "paused";
    this.#stopping.abort();
  }

  resume() {
    if (this.state !== "paused") return;
    this.state = "running";
    this.#patience.renew();
    this.#wake();
  }

  async cancel() {
    if (this.state === "done" || this.state === "cancelled") return;
    this.state = "cancelled";
    this.#end(Object.assign(new Error("The upload was cancelled"), { name: "AbortError" }));
    await this.done.catch(() => {});
    await this.#discard();
  }

  /** @param {unknown} reason */
  #end(reason) {
    this.#ending.abort(reason);
    this.#stopping.abort();
    this.#wake();
  }

  async #run() {
    this.#as = await this.#session.account();
    this.#source = await openSource(this.#given, this.#options);
    const { size } = this.#source;
    const isSmall = size !== null && size <= SMALL_BYTES && !this.#source.isStream && this.#source.mayBeHashed;
    if (!isSmall) await this.#recall();
    for (let mismatches = 0; ; mismatches++) {
      const file = await (isSmall ? this.#sendWhole() : this.#sendResumably()).catch(async (problem) => {
        if (!isMismatch(problem)) throw problem;
        await this.#discard();
        return null;
      });
      const digest = await this.#digest;
      if (file && (!digest || !file.sha256 || file.sha256 === digest)) return file;
      if (file) await this.#session.json("DELETE", `/api/files/${idOf(file)}`, { query: { permanent: true }, as: this.#as });
      this.#digest = null;
      if (mismatches || this.#source.isStream) throw new DigestMismatch(`${this.#name} arrived with other bytes than were sent`);
    }
  }

  /** Until it goes well, whatever passes. @template T @param {() => Promise<T>} act @returns {Promise<T>} */
  async #patiently(act) {
    for (;;) {
      while (this.state === "paused") await new Promise((resolve) => { this.#wake = () => resolve(null); });
      if (this.#ending.signal.aborted) throw reasonOf(this.#ending.signal);
      this.#stopping = new AbortController();
      try {
        return await act();
      } catch (problem) {
        if (this.#ending.signal.aborted) throw reasonOf(this.#ending.signal);
        if (/** @type {string} */ (this.state) === "paused") continue;
        try {
          if (!(problem instanceof SignInNeeded) || !this.#shown || ++this.#refusals > MOST_REFUSALS) throw problem;
          await this.#session.renew(this.#shown);
        } catch (error) {
          await this.#patience.wait(error);
        }
      }
    }
  }

  async #sendWhole() {
    const { size } = this.#source;
    const bytes = await this.#source.body(0, size ?? 0, false);
    const digest = await this.#digestOnce();
    const headers = { "Content-Type": this.#type, "Idempotency-Key": newKey(), ...(digest ? { "Repr-Digest": reprDigest(digest) } : {}) };
    const query = { filename: this.#name, overwrite: this.#options.overwrite };
    this.#onProgress(0, size);
    const file = await this.#patiently(() => this.#session.json("POST", "/api/files", {
      query, body: /** @type {Uint8Array<ArrayBuffer>} */ (bytes.value), headers, isRepeatable: true, signal: this.#stopping.signal, as: this.#as,
    }));
    this.#onProgress(size ?? 0, size);
    return /** @type {TransferFile} */ (file);
  }

  async #sendResumably() {
    const tus = await loadTus();
    const fileId = await this.#patiently(() => this.#attempt(tus));
    const file = await this.#patiently(() => this.#session.json("GET", `/api/files/${idOf(fileId)}`, { signal: this.#stopping.signal, as: this.#as }));
    await this.#forget();
    return /** @type {TransferFile} */ (file);
  }

  /** @param {import("./tus_attempt.js").Tus} tus */
  async #attempt(tus) {
    const { signal } = this.#stopping;
    const attempt = new Attempt(tus, {
      session: this.#session,
      source: this.#source,
      id: this.#id,
      token: () => this.#session.token(this.#as),
      metadata: { filename: this.#name, filetype: this.#type, ...(this.#options.overwrite ? { overwrite: "true" } : {}) },
      digest: () => this.#digestOnce(),
      onId: (id) => {
        this.#id = id;
        this.#remember();
      },
      onOffset: (offset) => this.#stands(offset),
      pieceBytes: () => this.#pieceBytes,
      onPiece: () => { this.#pieceBytes = Math.ceil(this.#pieceBytes * this.#growth); },
      onProgress: (sent, total) => {
        this.#moves(sent);
        if (!signal.aborted) this.#onProgress(sent, total);
      },
    });
    this.#touch = () => attempt.touch();
    try {
      return (await attempt.run(signal)) ?? (await this.#finished());
    } catch (problem) {
      this.#hasBroken = problem instanceof Lost && !problem.isUnsent;
      if (problem instanceof TooLong) this.#refuse(problem);
      if (!this.#id || !isGone(problem) || this.#source.isStream) throw problem;
      await this.#forget(); // it has expired, or was cancelled elsewhere: begin anew
      throw new Lost(problem);
    } finally {
      this.#touch = () => {};
      this.#shown = attempt.shown;
    }
  }

  /** @param {number} offset */
  #stands(offset) {
    const isLost = this.#hasBroken && offset <= this.#acknowledged;
    this.#hasBroken = false;
    if (isLost) this.#pieceBytes = Math.max(LEAST_BYTES, Math.min(this.#pieceBytes / 4, FIRST_LESS_BYTES)); // a proxy may hold what is not whole
    if (offset <= this.#acknowledged) return;
    this.#acknowledged = this.#furthest = offset;
    this.#patience.renew();
    this.#refusals = 0;
  }

  /** A proxy takes no piece of this length: the next is shorter, down to what any would take. @param {TooLong} problem */
  #refuse(problem) {
    if (this.#pieceBytes <= LEAST_BYTES) throw problem.cause;
    this.#growth = 1;
  }

  /** Bytes leave: those that left before and did not arrive prolong nothing. @param {number} sent */
  #moves(sent) {
    if (sent <= this.#furthest) return;
    this.#furthest = sent;
    this.#patience.renew();
  }

  #digestOnce() {
    if (!this.#source.mayBeHashed || this.#options.verify === false) return Promise.resolve(null);
    this.#digest ??= this.#source.digest(this.#ending.signal, () => this.#touch());
    this.#digest.catch(() => {}); // told where it is awaited
    return this.#digest;
  }

  /** The file's id, which the service tells once it has read the last byte back from its store. */
  async #finished() {
    for (const endsAt = Date.now() + this.#session.patienceSeconds * 1000; ; ) {
      const told = await this.#session.json("GET", `/api/uploads/${this.#id}`, { signal: this.#stopping.signal, as: this.#as });
      if (told.file_id) return /** @type {string} */ (told.file_id);
      if (Date.now() > endsAt) {
        await this.#forget();
        throw new Unavailable("The upload does not come to its end");
      }
      await sleep(ASKED_EVERY_MS, { signal: this.#stopping.signal });
    }
  }

  get #type() {
    return this.#options.type || /** @type {{ type?: string }} */ (this.#given).type || "application/octet-stream";
  }

  async #recall() {
    const { lastModified } = /** @type {{ lastModified?: number }} */ (this.#given);
    const own = this.#options.fingerprint ?? `${this.#source.size} ${lastModified ?? ""}`;
    const key = this.#session.keyOf(`upload ${this.#as ?? ""} ${this.#name} ${own}`);
    if (this.#source.isStream || underWay.has(key)) return;
    underWay.add(key);
    this.#key = key;
    const id = await this.#session.memory.getItem(key);
    if (id && isId(id)) this.#id = id;
  }

  async #remember() {
    if (this.#key && this.#id) await this.#session.memory.setItem(this.#key, this.#id);
  }

  async #forget() {
    this.#id = null;
    this.#acknowledged = this.#furthest = 0;
    if (this.#key) await this.#session.memory.removeItem(this.#key);
  }

  /** Free what the service has of it. */
  async #discard() {
    const id = this.#id;
    await this.#forget();
    if (!id) return;
    await this.#session.json("DELETE", `/api/uploads/${id}`, { as: this.#as }).catch((problem) => {
      if (!isGone(problem)) throw problem;
    });
  }
}

/** @param {unknown} problem */
function isGone(problem) {
  return problem instanceof ApiError && problem.code === "not_found";
}

/** @param {unknown} problem */
function isMismatch(problem) {
  return problem instanceof ApiError && problem.status === 400 && /digest/.test(problem.message);
}
