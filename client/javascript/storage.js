/* What a client remembers. */

/**
 * A storage, or else this process's memory, whose faults (a full disk, a browser that keeps nothing) stop nothing that goes on without it.
 * @param {import("./index.js").Storage} [storage]
 */
export function remembering(storage = inMemory()) {
  /** @param {() => unknown} act */
  const quietly = async (act) => {
    try {
      return await act();
    } catch {
      return null;
    }
  };
  return {
    /** @param {string} key */
    getItem: async (key) => /** @type {string | null} */ (await quietly(() => storage.getItem(key))) ?? null,
    /** Whether it is kept. @param {string} key @param {string} value */
    setItem: async (key, value) => (await quietly(async () => (await storage.setItem(key, value), true))) === true,
    /** @param {string} key */
    removeItem: async (key) => void (await quietly(() => storage.removeItem(key))),
  };
}

/** @returns {import("./index.js").Storage} */
function inMemory() {
  const kept = new Map();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}
