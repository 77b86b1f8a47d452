/* SHA-256 of what comes piece by piece: Node.js' own, elsewhere that of @noble/hashes, because WebCrypto wants all at once. */

/** @returns {Promise<{ update(bytes: Uint8Array): void, hex(): string }>} */
export async function createSha256() {
  const crypto = globalThis.process?.getBuiltinModule?.("node:crypto");
  if (crypto) {
    const digest = crypto.createHash("sha256");
    return { update: (bytes) => void digest.update(bytes), hex: () => digest.digest("hex") };
  }
  const { sha256 } = await import("@noble/hashes/sha2.js");
  const digest = sha256.create();
  return { update: (bytes) => void digest.update(bytes), hex: () => toHex(digest.digest()) };
}

/** The value of `Repr-Digest` (RFC 9530) for a digest in hex. @param {string} hex */
export function reprDigest(hex) {
  const bytes = (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
  return `sha-256=:${btoa(String.fromCharCode(...bytes))}:`;
}

/** @param {Uint8Array} bytes */
function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
