/* What uploads by pages decide, without a page. */

import assert from "node:assert/strict";
import crypto from "node:crypto";
import test from "node:test";

const uploads = new URL("../../../transfer_service/web/static/console/uploads/", import.meta.url);
const { pauseAfter } = await import(`${new URL("../core/passing.js", uploads)}`);
const { candidatesOf, commonFolder, decide, isNumbered, nameIn, problemOf, readMetadata } = await import(`${uploads}decisions.js`);
const { digestOf, fingerprintOf, placesOf, READ_WHOLE_BYTES } = await import(`${uploads}fingerprint.js`);
const { Sha256 } = await import(`${uploads}sha256.js`);
const { Tally } = await import(`${uploads}tally.js`);

const digest = (bytes) => crypto.createHash("sha256").update(bytes).digest("hex");

test("SHA-256 is that of others, however the bytes come", () => {
  for (const size of [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 100_003]) {
    const bytes = crypto.randomBytes(size);
    for (const step of [1, 63, 64, 65, 4096]) {
      const own = new Sha256();
      for (let at = 0; at < size; at += step) own.update(bytes.subarray(at, at + step));
      assert.equal(own.hex(), digest(bytes), `${size} by ${step}`);
    }
  }
});

test("a fingerprint changes with each byte of a small file, with the edges of a large one, and with its time", async () => {
  const file = (bytes, lastModified = 1) => new File([bytes], "a", { lastModified });
  const small = crypto.randomBytes(5000);
  const same = await fingerprintOf(file(small));
  assert.equal(await fingerprintOf(file(Buffer.from(small))), same);
  assert.notEqual(await fingerprintOf(file(small, 2)), same);
  for (const place of [0, 2500, 4999]) {
    const other = Buffer.from(small);
    other[place] ^= 1;
    assert.notEqual(await fingerprintOf(file(other)), same);
  }
  const large = crypto.randomBytes(READ_WHOLE_BYTES + 1);
  for (const place of [0, 65_535, large.length - 65_536, large.length - 1]) {
    const other = Buffer.from(large);
    other[place] ^= 1;
    assert.notEqual(await fingerprintOf(file(other)), await fingerprintOf(file(large)));
  }
  assert.equal(await digestOf(file(large)), digest(large));
});

test("what is looked at lies within the file, in order", () => {
  for (const size of [0, READ_WHOLE_BYTES, READ_WHOLE_BYTES + 1, 10 ** 9, 2 ** 43]) {
    const places = placesOf(size);
    assert.ok(places.every(([start, end]) => start >= 0 && start <= end && end <= size && Number.isInteger(start)), `${size}`);
    assert.deepEqual([places[0][0], places.at(-1)[1]], [0, size]);
    assert.deepEqual(places.map(([start]) => start), places.map(([start]) => start).sort((one, other) => one - other));
  }
});

test("faults of the network and the service pass, refusals do not", () => {
  for (const status of [0, 408, 423, 429, 500, 502, 503, 504]) assert.deepEqual([decide(status, false), decide(status, true)], ["wait", "wait"]);
  for (const status of [400, 403, 413, 415, 507]) assert.deepEqual([decide(status, false), decide(status, true)], ["fail", "fail"]);
  assert.deepEqual([decide(409, true), decide(409, false)], ["wait", "fail"]);
  assert.deepEqual([decide(404, true), decide(410, true), decide(404, false)], ["gone", "gone", "fail"]);
  assert.deepEqual([decide(401, true), decide(401, false)], ["renew", "renew"]);
});

test("pauses grow, have an end, and last as long as the service asks for", () => {
  const pauses = Array.from({ length: 50 }, (_, failures) => pauseAfter(failures, null, () => 0.5));
  assert.deepEqual(pauses.slice(0, 3), [500, 1000, 2000]);
  assert.ok(Math.max(...pauses) <= 10_000);
  assert.equal(pauseAfter(0, 30, () => 0.5), 30_000);
});

test("refusals are told apart", () => {
  const told = [[413, "Storage quota exceeded"], [413, "Too large"], [409, "A folder has this name"], [409, "A file has this name"], [507, ""], [400, "x"], [418, ""]];
  assert.deepEqual(told.map(([status, text]) => problemOf(status, text)), ["quota", "too_large", "folder_in_way", "file_in_way", "full", "refused", "other"]);
});

test("only uploads by tus of that name and length may be the file's", () => {
  const all = [
    { protocol: "tus", filename: "\u00e9.txt", length: 5 },
    { protocol: "tus", filename: "\u00e9.txt", length: 6 },
    { protocol: "tus", filename: "e.txt", length: 5 },
    { protocol: "chunks", filename: "\u00e9.txt", length: 5 },
  ];
  assert.deepEqual(candidatesOf(all, { name: "e\u0301.txt", size: 5 }), [all[0]]);
});

test("metadata is read as it was sent", () => {
  const encode = (text) => Buffer.from(text).toString("base64");
  assert.deepEqual(readMetadata(`filename ${encode("湖 🏔.txt")},fingerprint ${encode("1:2:3")},empty`), { filename: "湖 🏔.txt", fingerprint: "1:2:3", empty: "" });
  assert.deepEqual(readMetadata(null), {});
});

test("names are those of the folder shown and of what was chosen", () => {
  assert.deepEqual([nameIn("", "a.txt"), nameIn("b/c", "d/a.txt"), nameIn("b", "/d/a.txt")], ["a.txt", "b/c/d/a.txt", "b/d/a.txt"]);
  assert.deepEqual([commonFolder(["a"]), commonFolder(["a/b/c", "a/b/d"]), commonFolder(["a/b/c", "a/x/c"]), commonFolder(["ab/c", "a/c"])], ["", "a/b/", "a/", ""]);
});

test("a name with a number is told from another name", () => {
  const told = [["a (2).jpg", "a.jpg"], ["d/a.tar (13).gz", "d/a.tar.gz"], ["a (2)", "a"], ["a.jpg", "a.jpg"], ["b.jpg", "a.jpg"], ["e/a (2).jpg", "d/a.jpg"]];
  assert.deepEqual(told.map(([name, wanted]) => isNumbered(name, wanted)), [true, true, true, false, false, false]);
});

test("all together are told by bytes, and how long it takes by the last seconds", () => {
  const tally = new Tally();
  const entries = [{ size: 1000, offset: 0, state: "sending" }, { size: 3000, offset: 0, state: "queued" }];
  tally.add(entries);
  assert.equal(tally.progress(entries, 0).secondsLeft, null);
  for (let second = 0; second <= 4; second += 1) {
    tally.move(100, second * 1000);
    entries[0].offset += 100;
  }
  const { sent, speed, secondsLeft, count, bytes } = tally.progress(entries, 5000);
  assert.deepEqual([sent, speed, secondsLeft, count, bytes], [500, 100, 35, 2, 4000]);
  assert.equal(tally.progress(entries, 60_000).speed, null);
  tally.drop(entries[1]);
  tally.finish(entries[0]);
  assert.deepEqual(tally.progress([], 60_000), { count: 1, done: 1, bytes: 1000, sent: 1000, speed: null, secondsLeft: null });
});
