import type { Sliceable, Storage } from "./index.js";

/** A file to send, which is read while it is sent. One that is changed meanwhile is given up. */
export function openFile(path: string): Promise<Sliceable & { name: string }>;

/** Keeps what a client has to remember in one file, which only its owner can read (mode 0600). */
export function fileStorage(path: string): Storage;
