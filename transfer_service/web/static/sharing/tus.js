/* The core of tus 1.0.0 for pages of this service: create an upload, ask how far it is, go on with it, end it.

   Every call is one request, ends when `signal` says so or nothing moves for half a minute, and throws `Refused`. */

const STALLED_MS = 30_000;
const VERSION = { "Tus-Resumable": "1.0.0" };

/* A request that did not succeed. `status` is 0 where there was no answer, `pause` how many milliseconds to wait. */
export class Refused extends Error {
  constructor(status, text = "", pause = 0) {
    super(text);
    this.status = status;
    this.pause = pause;
  }
}

/* The address of a new upload below `base`. `metadata` is text by name; what is empty is left out. */
export async function create(base, size, metadata) {
  const given = Object.entries(metadata).filter(([, value]) => value);
  const fields = given.map(([name, value]) => `${name} ${inBase64(value)}`).join(",");
  const answer = await ask("POST", base, { headers: { "Upload-Length": String(size), "Upload-Metadata": fields } });
  // The page may be known by another name than the service calls itself.
  return `${base}/${answer.getResponseHeader("Location").split("/").pop()}`;
}

/* How many bytes count. */
export async function look(url, signal) {
  return offsetIn(await ask("HEAD", url, { signal }));
}

/* How many bytes count after those of `body`; `onprogress` hears how many of them have left. */
export async function append(url, offset, body, { signal, onprogress }) {
  const headers = { "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
  return offsetIn(await ask("PATCH", url, { headers, body, signal, onprogress }));
}

/* End an upload. */
export async function cancel(url) {
  await ask("DELETE", url);
}

function offsetIn(answer) {
  return Number(answer.getResponseHeader("Upload-Offset"));
}

function inBase64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/* XMLHttpRequest, because fetch does not tell how much of a body has left. */
function ask(method, url, { headers = {}, body = null, signal = null, onprogress = null } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let timer;
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), STALLED_MS);
    };
    request.open(method, url);
    for (const [name, value] of Object.entries({ ...VERSION, ...headers })) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => {
      watch();
      if (onprogress) onprogress(event.loaded);
    };
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        resolve(request);
        return;
      }
      const pause = Number(request.getResponseHeader("Retry-After")) * 1000 || 0;
      reject(new Refused(request.status, request.responseText.trim().slice(0, 300), pause));
    };
    request.onerror = request.onabort = () => reject(new Refused(0));
    request.onloadend = () => clearTimeout(timer);
    signal?.addEventListener("abort", () => request.abort());
    if (signal?.aborted) {
      reject(new Refused(0));
      return;
    }
    watch();
    request.send(body);
  });
}
