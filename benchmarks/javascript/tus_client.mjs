// Uploads a file with tus-js-client, whole or in pieces, and tells what that took.
//
// Argument: JSON {endpoint, headers, path, piece_bytes, chunk_bytes, parallel, in_creation}. Each piece is an upload of its
// own, and each chunk a PATCH; null means all of it. Speaks lines: it prints "ready", and for every line that it gets it takes
// the next step and prints JSON: first {wall_seconds, cpu_seconds} of the uploads, then what the server says it has, by HEAD.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import * as tus from "tus-js-client";

const task = JSON.parse(process.argv[2]);
// A Buffer: reading from a path in chunks, this client does not always send the end.
const content = readFileSync(task.path);
const size = task.piece_bytes ?? content.length;
const pieces = Array.from({ length: Math.ceil(content.length / size) }, (_, number) => ({
  name: `piece-${String(number).padStart(4, "0")}.bin`,
  bytes: content.subarray(number * size, (number + 1) * size),
}));

function upload({ name, bytes }) {
  return new Promise((resolve, reject) => {
    const sending = new tus.Upload(bytes, {
      endpoint: task.endpoint,
      headers: task.headers,
      metadata: { filename: name, filetype: "application/octet-stream" },
      chunkSize: task.chunk_bytes ?? Number.POSITIVE_INFINITY,
      uploadDataDuringCreation: task.in_creation,
      retryDelays: null,
      onError: reject,
      onSuccess: () => resolve({ name, length: bytes.length, url: sending.url }),
    });
    sending.start();
  });
}

async function uploadAll() {
  const waiting = pieces.entries();
  const done = [];
  const sendWhatWaits = async () => {
    for (const [number, piece] of waiting) {
      done[number] = await upload(piece);
    }
  };
  await Promise.all(Array.from({ length: task.parallel }, sendWhatWaits));
  return done;
}

async function verify({ name, length, url }) {
  const answer = await fetch(url, { method: "HEAD", headers: { ...task.headers, "Tus-Resumable": "1.0.0" } });
  if (!answer.ok || Number(answer.headers.get("Upload-Offset")) !== length) {
    throw new Error(`${url}: ${answer.status}, offset ${answer.headers.get("Upload-Offset")} of ${length}`);
  }
  return { name, length, id: new URL(url).pathname.split("/").at(-1) };
}

process.on("uncaughtException", ({ message }) => {
  console.error(message);
  process.exit(1);
});
const steps = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
console.log("ready");

await steps.next();
const before = process.cpuUsage();
const began = performance.now();
const uploads = await uploadAll();
const wallSeconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ wall_seconds: wallSeconds, cpu_seconds: (user + system) / 1e6 }));

await steps.next();
const verified = [];
for (const each of uploads) {
  verified.push(await verify(each));
}
console.log(JSON.stringify(verified));
process.exit();
