/* One go at sending a file by tus: from its beginning or from where it stands, to its end or to what stops it. */

const SMALL_BYTES = 256 * 1024;
const STALLED_MS = 60_000;

/** What stopped a go. `status` is 0 where there was no answer; `retryAfter` counts seconds, null where none is told. */
export class Stopped extends Error {
  constructor(status, text = "", retryAfter = null) {
    super(text || `HTTP ${status}`);
    this.status = status;
    this.text = text;
    this.retryAfter = retryAfter;
  }
}

async function loadTus() {
  await import("../../vendor/tus.min.js");
  return window.tus;
}

/** Whether a file is small enough to go along with the request that creates its upload. */
export function isSentAtOnce(file) {
  return file.size <= SMALL_BYTES;
}

/**
 * Send `file` to `endpoint`, or go on at `url`; `isAtOnce` sends it with the request that creates its upload. `headers()` gives
 * or promises the fields of each request. `onUrl(url)` tells where an upload has been made, also after `signal` has ended
 * the go: its maker has to know what would take up room.
 *
 * Gives `{result, settled}`, two promises: the id of the finished file, or Stopped, or an AbortError; and when nothing
 * is under way any more.
 */
export function attempt(file, { endpoint, url, isAtOnce, metadata, headers, onUrl, onProgress, signal }) {
  let settle;
  const settled = new Promise((resolve) => { settle = resolve; });
  const result = new Promise((resolve, reject) => {
    const end = (how, value) => {
      how(value);
      settle();
    };
    const go = new Go({ endpoint, url, isAtOnce, headers, onUrl, onProgress, onEnd: (id) => end(resolve, id), onStop: (problem) => end(reject, problem) });
    signal.addEventListener("abort", () => {
      reject(signal.reason);
      if (go.stop()) settle();
    });
    go.begin(file, metadata).catch((problem) => end(reject, problem));
  });
  result.catch(() => {});
  return { result, settled };
}

class Go {
  #upload = null;
  #timer = null;
  #isStopped = false;
  #options;

  constructor(options) {
    this.#options = options;
  }

  async begin(file, metadata) {
    const tus = await loadTus().catch(() => { throw new Stopped(0); });
    if (this.#isStopped) return;
    const { endpoint, url, isAtOnce } = this.#options;
    this.#upload = new tus.Upload(file, {
      // With an endpoint, tus-js-client begins anew whenever HEAD is refused, for whatever passing reason.
      endpoint: url ? null : endpoint,
      uploadUrl: url ?? null,
      metadata,
      uploadDataDuringCreation: isAtOnce,
      retryDelays: null,
      storeFingerprintForResuming: false,
      onBeforeRequest: (request) => this.#prepare(request),
      onUploadUrlAvailable: () => this.#made(),
      onProgress: (sent) => this.#moved(sent),
      onSuccess: ({ lastResponse }) => this.#end(() => this.#options.onEnd(lastResponse.getHeader("X-File-Id"))),
      onError: (error) => this.#end(() => this.#options.onStop(stoppedBy(error))),
    });
    this.#watch();
    this.#upload.start();
  }

  /** End it. Gives whether nothing is under way: an upload that is being made is waited for. */
  stop() {
    this.#isStopped = true;
    if (this.#upload && !this.#upload.url) return false;
    clearTimeout(this.#timer);
    this.#upload?.abort();
    return true;
  }

  async #prepare(request) {
    for (const [name, value] of Object.entries(await this.#options.headers())) request.setHeader(name, value);
  }

  #made() {
    const upload = this.#upload;
    if (!upload.options.endpoint) return;
    // The page may be known by another name than the service calls itself.
    upload.url = `${upload.options.endpoint}/${upload.url.split("/").pop()}`;
    upload.options.endpoint = null;
    this.#options.onUrl(upload.url);
    if (this.#isStopped) this.#end(() => { upload.abort(); this.#options.onStop(new Stopped(0)); });
  }

  #moved(sent) {
    this.#watch();
    if (!this.#isStopped) this.#options.onProgress(sent);
  }

  #watch() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#upload.abort();
      this.#options.onStop(new Stopped(0));
    }, STALLED_MS);
  }

  #end(tell) {
    clearTimeout(this.#timer);
    tell();
  }
}

function stoppedBy(error) {
  const answer = error.originalResponse;
  if (!answer) return new Stopped(0);
  const retryAfter = Number(answer.getHeader("Retry-After")) || null;
  return new Stopped(answer.getStatus(), (answer.getBody() || "").trim().slice(0, 300), retryAfter);
}
