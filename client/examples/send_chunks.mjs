/* Send a file to Transfer Service in chunks, and go on where it stopped. Node.js 18 or newer, no package.
 *
 *   node send_chunks.mjs https://SERVER KEY_FILE FILE [NAME] [17|12]
 *
 * KEY_FILE holds one line, "Authorization: Bearer tsk_...", as docs/devices.md makes it. 17 and 12 are the two kinds of
 * frames of docs/device-chunks.md; both store the same file. Exit status: 0 the service has the file and its SHA-256 is
 * that of ours, 1 it has not, 2 wrong usage.
 */
import { createHash } from "node:crypto";
import { createReadStream, realpathSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const CHUNK_BYTES = 256 * 1024; // a chunk counts whole or not at all: smaller where the network is bad
const TRIES = 12;
const LONGEST_WAIT = 3600; // seconds, where the service says how long
const REQUEST_MS = 90_000; // for a chunk and its answer
const PASSING = [408, 429, 500, 502, 503, 504, 507]; // these may do better later

function sumOf(data) {
  let sum = 0;
  for (const byte of data) sum = (sum + byte) & 0xff;
  return sum;
}

/** u64 start, u64 inclusive end, u8 sum of the bytes modulo 256, then the data; big-endian. */
export function frame17(start, data) {
  const frame = new Uint8Array(17 + data.length);
  const header = new DataView(frame.buffer);
  header.setBigUint64(0, BigInt(start));
  header.setBigUint64(8, BigInt(start + data.length - 1));
  header.setUint8(16, sumOf(data));
  frame.set(data, 17);
  return frame;
}

/** u32 start, u32 inclusive end, u32 sum of the bytes modulo 256, then the data: up to 4 GiB. */
export function frame12(start, data) {
  const frame = new Uint8Array(12 + data.length);
  const header = new DataView(frame.buffer);
  header.setUint32(0, start);
  header.setUint32(4, start + data.length - 1);
  header.setUint32(8, sumOf(data));
  frame.set(data, 12);
  return frame;
}

/** The JSON of a good answer. A chunk that is sent twice counts once, so whatever fails is asked again. */
async function ask(url, authorization, { headers = {}, ...options } = {}) {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    let pause = Math.min(60, 2 ** attempt);
    let answer, text, told;
    try {
      const signal = AbortSignal.timeout(REQUEST_MS);
      answer = await fetch(url, { ...options, signal, headers: { ...headers, Authorization: authorization } });
      text = await answer.text();
      if (answer.ok) told = JSON.parse(text);
    } catch {
      answer = null; // no connection, or it broke, or something else answers there
    }
    if (told !== undefined) return told;
    if (answer !== null) {
      if (!PASSING.includes(answer.status) && !text.includes("ended early")) throw new Error(`${answer.status}: ${text}`);
      pause = Math.max(pause, Math.min(parseInt(answer.headers.get("Retry-After")) || 0, LONGEST_WAIT)); // or a date
    }
    console.error(`no success, trying again in ${pause} s`);
    await sleep(pause * 1000);
  }
  throw new Error("gave up; run it again to go on");
}

/** Send one chunk and give the first byte that is still missing. */
async function sendChunk(server, authorization, { name, total, start, data, kind }) {
  if (kind === 17) {
    const url = `${server}/api/files/upload?filename=${encodeURIComponent(name)}&total_size=${total}`;
    const headers = { "Content-Type": "application/octet-stream" };
    const body = frame17(start, data);
    return (await ask(url, authorization, { method: "POST", headers, body })).next_expected_byte;
  }
  const url = `${server}/upload/${encodeURIComponent(name)}`;
  const headers = {
    "Content-Type": "application/octet-stream",
    "Content-Range": `bytes ${start}-${start + data.length - 1}/${total}`,
  };
  return (await ask(url, authorization, { method: "POST", headers, body: frame12(start, data) })).next_byte;
}

async function sha256Of(path) {
  const digest = createHash("sha256");
  for await (const block of createReadStream(path)) digest.update(block);
  return digest.digest("hex");
}

/** Send what is missing of an open file; gives the status of the whole. */
async function sendMissing(file, server, authorization, { name, total, kind }) {
  const place = `${server}/api/files/status/${encodeURIComponent(name)}`;
  const block = new Uint8Array(CHUNK_BYTES);
  let status = await ask(place, authorization);
  while (status.status !== "complete") {
    let start = status.next_expected_byte;
    if (start >= total && (status.total_bytes !== total || status.total_inferred)) {
      start = Math.max(0, total - CHUNK_BYTES); // sent again, it tells the length, or is refused
    } else if (start >= total) {
      await sleep(1000); // all is there, and the service still reads it back
    }
    while (start < total) {
      const { bytesRead } = await file.read(block, 0, CHUNK_BYTES, start);
      if (bytesRead === 0) throw new Error("the file has become shorter");
      const data = block.subarray(0, bytesRead);
      start = await sendChunk(server, authorization, { name, total, start, data, kind });
    }
    status = await ask(place, authorization);
  }
  return status;
}

/** Send a file, or what is missing of it, and give its SHA-256, which is the same here and there. */
export async function send(server, keyFile, path, name = basename(path), kind = 17) {
  const line = (await readFile(keyFile, "utf8")).split("\n")[0];
  const authorization = line.slice(line.indexOf(":") + 1).trim();
  const file = await open(path);
  try {
    const total = (await file.stat()).size;
    if (total === 0) throw new Error("an empty file has no chunks, send it whole");
    if (kind === 12 && total > 2 ** 32) throw new Error("frames of 12 bytes are for files of up to 4 GiB");
    const status = await sendMissing(file, server.replace(/\/$/, ""), authorization, { name, total, kind });
    if (status.sha256 !== (await sha256Of(path))) {
      throw new Error("the service has another file of this name, or this one changed meanwhile");
    }
    return status.sha256;
  } finally {
    await file.close();
  }
}

async function main(given) {
  const kind = given.length > 3 && ["17", "12"].includes(given.at(-1)) ? Number(given.pop()) : 17;
  if (given.length < 3 || given.length > 4) {
    console.error("usage: node send_chunks.mjs https://SERVER KEY_FILE FILE [NAME] [17|12]");
    return 2;
  }
  const [server, keyFile, path, name] = given;
  try {
    console.log(`stored, sha256 ${await send(server, keyFile, path, name, kind)}`);
    return 0;
  } catch (error) {
    console.error(error.message);
    return 1;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  process.exitCode = await main(process.argv.slice(2));
}
