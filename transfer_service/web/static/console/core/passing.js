/* Faults that pass by themselves, such as a service that restarts: which they are, and when to try again. */

/** Statuses that say nothing about what was asked; 0 is that of no answer at all. */
export const PASSING = new Set([0, 408, 425, 429, 500, 502, 503, 504]);

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const PATIENCE_MS = 30_000;

/** Whether the same request may succeed a moment later. */
export function isPassing({ status }) {
  return PASSING.has(status);
}

/** How many milliseconds to wait after so many failures in a row; `retryAfter` in seconds, null where none was told. */
export function pauseAfter(failures, retryAfter, random = Math.random) {
  const grown = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(failures, 10), LONGEST_PAUSE_MS);
  return Math.max((retryAfter ?? 0) * 1000, grown * (0.75 + random() / 2));
}

/** Wait so long, or until the browser says that the network is there again. Raises AbortError where `signal` ends it. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const ending = new AbortController();
    const end = (how, value) => {
      clearTimeout(timer);
      ending.abort();
      how(value);
    };
    const timer = setTimeout(end, Math.min(milliseconds, 2 ** 31 - 1), resolve);
    window.addEventListener("online", () => end(resolve), { signal: ending.signal });
    signal?.addEventListener("abort", () => end(reject, signal.reason), { signal: ending.signal });
    return undefined;
  });
}

/**
 * Do `work` again for as long as its faults pass, up to `patience` milliseconds. Raises the last fault, and AbortError
 * where `signal` ends it. `onFault` is called before each pause.
 */
export async function persist(work, { patience = PATIENCE_MS, signal, onFault } = {}) {
  const begun = performance.now();
  for (let failures = 0; ; failures += 1) {
    try {
      return await work();
    } catch (error) {
      const wait = pauseAfter(failures, error.retryAfter);
      if (!isPassing(error) || performance.now() - begun + wait > patience) throw error;
      onFault?.(error);
      await pause(wait, signal);
    }
  }
}

/**
 * Call `again` when what failed may have passed, once the page is looked at; never for a fault that does not pass, nor
 * after `signal`. For what is shown: it has told the error meanwhile.
 */
export async function afterFault(error, { failures, again, signal }) {
  if (!isPassing(error)) return;
  try {
    await pause(pauseAfter(failures, error.retryAfter), signal);
    while (document.hidden) await new Promise((resolve) => { document.addEventListener("visibilitychange", resolve, { once: true, signal }); });
  } catch {
    return; // nobody shows it any more
  }
  if (!signal?.aborted) again();
}
