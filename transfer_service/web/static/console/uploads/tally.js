/* How far all files together are, and how fast bytes leave, without the jumps of a moment. */

const WINDOW_MS = 8000;
const FEWEST_MS = 1000;

/* Counts bytes as they leave; `now` in milliseconds, never going back. */
class Pace {
  #marks = [];

  add(bytes, now) {
    const last = this.#marks.at(-1);
    if (last && now - last.at < 250) last.bytes += bytes;
    else this.#marks.push({ at: now, bytes });
    this.#forget(now);
  }

  /** Bytes per second over the last seconds; null while that says nothing. */
  speed(now) {
    this.#forget(now);
    if (!this.#marks.length) return null;
    const passed = now - this.#marks[0].at;
    if (passed < FEWEST_MS) return null;
    return this.#marks.reduce((sum, mark) => sum + mark.bytes, 0) / (passed / 1000);
  }

  #forget(now) {
    while (this.#marks.length && now - this.#marks[0].at > WINDOW_MS) this.#marks.shift();
  }
}

/** What has been added since nothing was left to do last. */
export class Tally {
  done = 0;
  #count = 0;
  #bytes = 0;
  #doneBytes = 0;
  #pace = new Pace();

  add(entries) {
    this.#count += entries.length;
    for (const entry of entries) this.#bytes += entry.size;
  }

  move(bytes, now) {
    this.#pace.add(bytes, now);
  }

  finish(entry) {
    this.done += 1;
    this.#doneBytes += entry.size;
  }

  drop(entry) {
    this.#count -= 1;
    this.#bytes -= entry.size;
  }

  /** `{count, done, bytes, sent, speed, secondsLeft}`; the last two are null where they cannot be told. */
  progress(entries, now = performance.now()) {
    const sent = entries.reduce((sum, each) => sum + each.offset, this.#doneBytes);
    const speed = entries.some((each) => each.state === "sending") ? this.#pace.speed(now) : null;
    const secondsLeft = speed > 0 ? (this.#bytes - sent) / speed : null;
    return { count: this.#count, done: this.done, bytes: this.#bytes, sent, speed, secondsLeft };
  }
}
