// A tus-js-client that a test leads: tus_client.mjs '{"path", "options", …}'.
// path: the file to send, from memory · stream: as a stream of unknown length · options: of tus-js-client ("chunkSize"
// may be null for no limit) · store: a file that remembers uploads, also for other processes · pinned: once created,
// never create another one · pauseAt: stop by itself as soon as so many bytes are sent.
// In, one word a line: "pause" or "resume"; the end of the input stops the upload.
// Out, one JSON value a line: [event, data] for "request", "response", "url", "sent", "paused", "success", "error".
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { createInterface } from "node:readline";
import tus from "tus-js-client";

const { path, stream = false, store, pinned = false, pauseAt = Infinity, options } = JSON.parse(process.argv[2]);
const print = (event, data) => process.stdout.write(JSON.stringify([event, data ?? null]) + "\n");
const pieces = function* (body) {
  for (let start = 0; start < body.length; start += 65536) yield body.subarray(start, start + 65536);
};

const body = readFileSync(path);
let isPausing = Number.isFinite(pauseAt);
const pause = async (sent) => {
  isPausing = false;
  await upload.abort();
  print("paused", sent);
};

const upload = new tus.Upload(stream ? Readable.from(pieces(body), { objectMode: false }) : body, {
  ...options,
  chunkSize: options.chunkSize ?? Infinity,
  ...(store ? { urlStorage: new tus.FileUrlStorage(store) } : {}),
  onBeforeRequest: (request) => {
    print("request", { method: request.getMethod(), url: request.getURL(), id: request.getHeader("X-Request-ID") });
  },
  onAfterResponse: (request, response) => {
    const { statusCode: status, headers } = response.getUnderlyingObject();
    print("response", { method: request.getMethod(), url: request.getURL(), status, headers });
  },
  onUploadUrlAvailable: () => {
    print("url", upload.url);
    if (pinned) upload.options.endpoint = null;
  },
  onProgress: (sent) => {
    print("sent", sent);
    if (isPausing && sent >= pauseAt) pause(sent);
  },
  onSuccess: ({ lastResponse }) => {
    print("success", { url: upload.url, headers: lastResponse.getUnderlyingObject().headers });
    lines.close();
  },
  onError: (error) => {
    print("error", error.message);
    lines.close();
  },
});

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => (line === "pause" ? pause(null) : upload.start()));
lines.on("close", () => {
  upload.abort();
  process.stdin.destroy();
});
if (store) {
  const [previous] = await upload.findPreviousUploads();
  if (previous) upload.resumeFromPreviousUpload(previous);
}
upload.start();
