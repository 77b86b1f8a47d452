/* Trying again while a network or the service is away: longer pauses each time, and an end to it. */

import { ApiError, errorFrom, TransferError, Unavailable } from "./errors.js";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;
const SILENT_MS = 90_000;

/** What a service or a proxy answers where the same may go well later. */
export const PASSING = new Set([408, 423, 425, 429, 502, 503, 504]);

/** There is no answer, or one that says "later": the same request may go well the next time. */
export class Lost extends TransferError {
  /** Whether the request was not even sent. */
  isUnsent = false;

  /** @param {unknown} cause @param {number | null} [retryAfter] in seconds */
  constructor(cause, retryAfter = null) {
    super(typeof cause === "string" ? cause : cause instanceof Error ? cause.message : "The line broke", { cause }); // browsers tell an event
    this.retryAfter = retryAfter;
  }
}

/** The error of an answer: Lost where it passes, else ApiError. @param {number} status @param {string} text @param {string | null} [retryAfter] */
export function problemFrom(status, text, retryAfter) {
  const error = errorFrom(status, text, retryAfter);
  return PASSING.has(status) ? new Lost(error, error.retryAfter) : error;
}

/** For what is tried only once. @param {unknown} problem @returns {never} */
export function away(problem) {
  if (!(problem instanceof Lost)) throw problem;
  if (!(problem.cause instanceof ApiError)) throw new Unavailable(`The service is away: ${problem.message}`, { cause: problem });
  if (problem.cause.status === 429) throw problem.cause; // it is there, and has said for how long it wants to hear nothing
  throw new Unavailable(`The service cannot do that now: ${problem.message}`, { cause: problem });
}

/** A listener of the app, whose own fault is no fault of a network: it ends what it listens to. @param {((done: number, total: any) => void) | undefined} tell */
export function listening(tell) {
  return (/** @type {number} */ done, /** @type {number | null} */ total) => {
    try {
      tell?.(done, total);
    } catch (cause) {
      throw new TransferError(`onProgress failed: ${cause instanceof Error ? cause.message : cause}`, { cause });
    }
  };
}

/** What ended a request that `signal` has ended. @param {AbortSignal} signal @returns {unknown} */
export function reasonOf(signal) {
  return signal.reason ?? Object.assign(new Error("It was cancelled"), { name: "AbortError" });
}

/** @param {AbortSignal | undefined} signal */
export function throwIfAborted(signal) {
  if (signal?.aborted) throw reasonOf(signal);
}

/** Waits before each further try, for so many seconds in all since the last byte that moved. */
export class Patience {
  #failures = 0;
  #endsAt = 0;
  #seconds;
  #signal;

  /** @param {number} seconds @param {AbortSignal} [signal] */
  constructor(seconds, signal) {
    this.#seconds = seconds;
    this.#signal = signal;
    this.renew();
  }

  /** Something moved: begin anew. */
  renew() {
    this.#failures = 0;
    this.#endsAt = Date.now() + this.#seconds * 1000;
  }

  /** Wait before the next try. Throws what cannot pass, Unavailable at the end, and the signal's reason. @param {unknown} problem */
  async wait(problem) {
    throwIfAborted(this.#signal);
    if (!(problem instanceof Lost)) throw problem;
    const grown = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
    const pause = Math.max(grown, (problem.retryAfter ?? 0) * 1000);
    if (Date.now() + pause > this.#endsAt) away(problem);
    await sleep(pause, { signal: this.#signal, isEndedOnline: problem.retryAfter === null });
  }
}

/** @param {number} ms @param {{ signal?: AbortSignal, isEndedOnline?: boolean }} [how] @returns {Promise<void>} */
export function sleep(ms, { signal, isEndedOnline = false } = {}) {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", end);
      signal?.removeEventListener("abort", end);
      if (signal?.aborted) reject(reasonOf(signal));
      else resolve();
    };
    const timer = setTimeout(end, ms);
    if (isEndedOnline) globalThis.addEventListener?.("online", end);
    signal?.addEventListener("abort", end);
  });
}

/**
 * Run `act`, and end the signal that it gets after some time without `touch`. Throws Lost in place of all that a network does.
 * @template T
 * @param {AbortSignal | undefined} signal the caller's own, whose reason is thrown
 * @param {(signal: AbortSignal, touch: () => void) => Promise<T>} act
 * @returns {Promise<T>}
 */
export async function untilSilent(signal, act, ms = SILENT_MS) {
  throwIfAborted(signal);
  const controller = new AbortController();
  const stop = () => controller.abort(signal && reasonOf(signal));
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const touch = () => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort(new Error("The line is silent")), ms);
  };
  signal?.addEventListener("abort", stop);
  touch();
  try {
    return await act(controller.signal, touch);
  } catch (error) {
    throwIfAborted(signal);
    throw error instanceof TransferError ? error : new Lost(error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}
