import type { Sink, Sliceable, Storage } from "./index.js";

/** A file to send, which is read while it is sent. One that is changed meanwhile is given up. */
export function openFile(path: string): Promise<Sliceable & { name: string }>;

/** Keeps what a client has to remember in a folder, which is made where there is none and only its owner can read. Processes may share it. */
export function fileStorage(folder: string): Storage;

/**
 * Puts a download into a file, which is there once it is verified, and gives its path. What has arrived lies beside it until then
 * (`.transfer-….part`), and the next download of the same bytes to the same path goes on with it, also by another process.
 */
export function fileSink(path: string): Sink<string>;
