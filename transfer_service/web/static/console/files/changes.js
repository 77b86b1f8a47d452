/* That the account's files are not what they were: whoever changes them tells, whoever shows them asks again. */

import { createStore } from "../core/store.js";

const SOON_MS = 250;
let timer = null;

/** Counts up; watched by what shows files. */
export const changes = createStore(0);

/** Say that files or folders have come, gone or changed. Many at once are told of together. */
export function refreshFiles() {
  timer ??= setTimeout(() => {
    timer = null;
    changes.set((count) => count + 1);
  }, SOON_MS);
}
