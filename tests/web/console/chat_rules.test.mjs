/* What the page of chats makes of a history that it hears of in pieces, and of texts. */

import assert from "node:assert/strict";
import test from "node:test";

const chat = new URL("../../../transfer_service/web/static/console/chat/", import.meta.url);
const history = await import(`${chat}history.js`);
const { cutAt, partsOf } = await import(`${chat}parts.js`);
const { decode } = await import(`${chat}blurhash.js`);

const ROUNDS = 1000;
const STEPS = 120;
const LIMIT = 7;

/* Numbers that look random and are the same each time (mulberry32). */
function randomOf(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/* The service: what is said, in its order; several things in each second, some events that get lost. */
class Service {
  messages = [];
  changes = [];
  events = [];
  clock = 0;

  constructor(random) {
    this.random = random;
    this.pace = [1, 4, 60][random(3)];
  }

  now() {
    return new Date(this.clock * 1000).toISOString();
  }

  post(isTold) {
    this.clock += this.random(this.pace) === 0 ? 1 : 0;
    const message = { _id: `m${this.messages.length}`, created_at: this.now(), edited_at: null, content: "first", sender: "bob" };
    this.messages.push(message);
    this.note("new_message", message, isTold);
  }

  edit(isTold) {
    if (!this.messages.length) return;
    this.clock += 1;
    const at = this.random(this.messages.length);
    this.messages[at] = { ...this.messages[at], content: `edit ${this.changes.length}`, edited_at: this.now() };
    this.note("message_edited", this.messages[at], isTold);
  }

  note(name, message, isTold) {
    this.changes.push(message._id);
    if (isTold) this.events.push([name, message]);
  }

  place(id) {
    return this.messages.findIndex(({ _id }) => _id === id);
  }

  before(id = null) {
    const end = id === null ? this.messages.length : this.place(id);
    return this.messages.slice(Math.max(end - LIMIT, 0), end).reverse();
  }

  after(id) {
    return this.messages.slice(this.place(id) + 1, this.place(id) + 1 + LIMIT);
  }
}

/* The page, as thread.js goes about it. */
class Page {
  constructor(service) {
    this.service = service;
    this.cursor = service.changes.length;
    this.slice = history.fromEnd(service.before(), LIMIT);
  }

  take([name, message]) {
    if (name === "message_edited") this.slice = history.withChange(this.slice, message);
    else this.slice = history.withEvent(this.slice, message) ?? this.end([]);
  }

  end(missed) {
    return (this.slice = history.withEnd(this.slice, this.service.before(), { isReadingEnd: this.service.random(2) === 0, missed, limit: LIMIT }));
  }

  older() {
    const [first] = this.slice.messages;
    if (first && this.slice.hasOlder) this.slice = history.withOlder(this.slice, this.service.before(first._id), LIMIT);
  }

  newer() {
    const last = this.slice.messages.at(-1);
    if (!last || this.slice.isAtEnd) return;
    this.slice = history.withNewer(this.slice, this.service.after(last._id), LIMIT);
    if (this.slice.isAtEnd) this.end([]);
  }

  jump() {
    if (!this.service.messages.length) return;
    const { _id } = this.service.messages[this.service.random(this.service.messages.length)];
    const newer = this.service.after(_id);
    this.slice = history.around(this.service.before(newer[0]?._id), newer, LIMIT);
    if (this.slice.isAtEnd) this.end([]);
  }

  catchUp() {
    const ids = new Set(this.service.changes.slice(this.cursor));
    this.cursor = this.service.changes.length;
    const changed = this.service.messages.filter(({ _id }) => ids.has(_id));
    for (const message of changed) this.slice = history.withChange(this.slice, message);
    this.end(history.unknownOf(this.slice, changed));
  }
}

test("what is shown is a part of the history, whatever gets lost and in whichever order it comes", () => {
  for (let seed = 1; seed <= ROUNDS; seed += 1) {
    const random = randomOf(seed);
    const service = new Service(random);
    for (let count = random(30); count > 0; count -= 1) service.post(false);
    const page = new Page(service);
    const burst = () => {
      const isTold = random(4) > 0;
      for (let count = random(14); count > 0; count -= 1) service.post(isTold);
    };
    const steps = [
      () => service.post(true), () => burst(), () => burst(), () => service.post(random(3) > 0), () => service.edit(random(3) > 0),
      () => service.events.splice(0, random(seed % 2 ? 4 : 30)).forEach((each) => page.take(each)),
      () => page.older(), () => page.newer(), () => page.jump(), () => page.catchUp(),
    ];
    for (let step = 0; step < STEPS; step += 1) {
      steps[random(steps.length)]();
      const places = page.slice.messages.map(({ _id }) => service.place(_id));
      assert.deepEqual(places, [...new Set(places)].sort((one, other) => one - other), `seed ${seed}: the order`);
    }
    service.events.splice(0).forEach((each) => page.take(each));
    page.catchUp();
    const { messages, isAtEnd, hasOlder } = page.slice;
    const from = messages.length ? service.place(messages[0]._id) : service.messages.length;
    assert.deepEqual(messages, service.messages.slice(from, from + messages.length), `seed ${seed}`);
    assert.ok(!isAtEnd || from + messages.length === service.messages.length, `seed ${seed}: the end`);
    assert.ok(hasOlder || from === 0, `seed ${seed}: the begin`);
  }
});

test("no more than a bounded stretch is kept, whichever way one reads", () => {
  const service = new Service(randomOf(1));
  for (let count = 0; count < 2000; count += 1) service.post(false);
  const page = new Page(service);
  for (let turn = 0; turn < 100; turn += 1) page.older();
  assert.deepEqual([page.slice.messages.length, page.slice.isAtEnd], [history.MOST, false]);
  for (let turn = 0; turn < 200; turn += 1) page.newer();
  assert.deepEqual([page.slice.messages.length, page.slice.isAtEnd, page.slice.messages.at(-1)._id], [history.MOST, true, "m1999"]);
  for (let count = 0; count < 500; count += 1) {
    service.post(true);
    page.take(service.events.pop());
  }
  assert.deepEqual([page.slice.messages.length, page.slice.hasOlder, page.slice.messages.at(-1)._id], [history.MOST, true, "m2499"]);
});

test("an own message that all have read says so of those before it", () => {
  const said = (id, sender, isRead) => ({ _id: id, sender, is_read: isRead });
  const slice = { ...history.EMPTY, messages: [said("1", "me", false), said("2", "bob", false), said("3", "me", true), said("4", "me", false)] };
  assert.deepEqual(history.withReads(slice, "me").messages.map((each) => each.is_read), [true, false, true, false]);
  assert.equal(history.withReads(history.EMPTY, "me"), history.EMPTY);
});

test("what is new begins behind what somebody has seen", () => {
  const said = (id, sender, isRead) => ({ _id: id, sender, is_read: isRead });
  const page = [said("4", "bob", false), said("3", "bob", false), said("2", "bob", false), said("1", "me", false)];
  assert.equal(history.firstUnreadOf(page, { me: "me", seen: undefined }), "2");
  assert.equal(history.firstUnreadOf(page, { me: "me", seen: "3" }), "4");
  assert.equal(history.firstUnreadOf(page, { me: "me", seen: "4" }), null);
  assert.equal(history.firstUnreadOf(page.slice(0, 2), { me: "me", seen: undefined }), null);
});

test("only addresses of the web are links", () => {
  const links = (text) => partsOf(text).filter((part) => part.href).map((part) => part.text);
  assert.deepEqual(links("see https://a.example/b?c=1#d, (http://e.example/f) and http://g.example/h_(i)."),
    ["https://a.example/b?c=1#d", "http://e.example/f", "http://g.example/h_(i)"]);
  assert.deepEqual(links("javascript:alert(1) data:text/html,x ftp://a.example http:// https://. xhttp://a.example mailto:a@b.example //a.example"), []);
  assert.deepEqual(links("http://a.example\"><b> http://a.example\u202e/x HTTP://A.example/"), ["http://a.example", "http://a.example", "HTTP://A.example/"]);
  assert.deepEqual(links("https://bank.example@evil.example/ https://bank.example:pw@evil.example https://a.example/@b"), ["https://a.example/@b"]);
  for (const text of ["", "a\nb", "https://a.example/ and b", `http://a.example/${".".repeat(60_000)}b`]) {
    assert.equal(partsOf(text).map((part) => part.text ?? part).join(""), text);
  }
});

test("no character is cut in two", () => {
  assert.deepEqual([cutAt("a😀b", 2), cutAt("a😀b", 3), cutAt("ab", 2)], ["a", "a😀", "ab"]);
});

test("a BlurHash is colours, or nothing", () => {
  assert.deepEqual([...decode("00TI:j", 2, 1)], [...decode("00TI:j", 1, 1), ...decode("00TI:j", 1, 1)]);
  assert.deepEqual([...decode("000000", 1, 1)], [0, 0, 0, 255]);
  assert.equal(decode("LEHV6nWB2yk8pyo0adR*.7kCMdnj", 8, 8).length, 256);
  for (const hash of ["", "L", "LEHV6n", "\"><script>", "00TI:jj", null]) assert.equal(decode(hash, 1, 1), null);
});
