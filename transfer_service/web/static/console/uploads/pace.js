/* How fast bytes leave, without the jumps of a moment. */

const WINDOW_MS = 8000;
const FEWEST_MS = 1000;

/** Counts bytes as they leave; `now` in milliseconds, never going back. */
export class Pace {
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

  clear() {
    this.#marks = [];
  }

  #forget(now) {
    while (this.#marks.length && now - this.#marks[0].at > WINDOW_MS) this.#marks.shift();
  }
}
