/* What tells two files of one name and length apart, without reading large ones whole. */

import { Sha256 } from "./sha256.js";

export const READ_WHOLE_BYTES = 1024 * 1024;
const PIECE_BYTES = 256 * 1024;
const EDGE_BYTES = 64 * 1024;
const SAMPLES = 32;
const SAMPLE_BYTES = 4096;

/**
 * The fingerprint of a file: when it was changed last, and the SHA-256 of its bytes; of a file above a mebibyte the
 * first and the last 64 KiB and 32 places between. Raises the DOMException of the browser where it cannot be read.
 */
export async function fingerprintOf(file) {
  const digest = new Sha256();
  for (const [start, end] of placesOf(file.size)) {
    digest.update(new Uint8Array(await file.slice(start, end).arrayBuffer()));
  }
  return `1:${file.lastModified}:${digest.hex()}`;
}

/** The parts of so many bytes that are looked at, half-open. */
export function placesOf(size) {
  if (size <= READ_WHOLE_BYTES) return [[0, size]];
  const step = (size - 2 * EDGE_BYTES - SAMPLE_BYTES) / (SAMPLES - 1);
  const between = Array.from({ length: SAMPLES }, (_, number) => EDGE_BYTES + Math.floor(number * step));
  return [[0, EDGE_BYTES], ...between.map((start) => [start, start + SAMPLE_BYTES]), [size - EDGE_BYTES, size]];
}

/** The SHA-256 of all bytes of a file, read in pieces, so that the page goes on meanwhile. */
export async function digestOf(file) {
  const digest = new Sha256();
  for (let start = 0; start < file.size; start += PIECE_BYTES) {
    digest.update(new Uint8Array(await file.slice(start, start + PIECE_BYTES).arrayBuffer()));
  }
  return digest.hex();
}
