/* What the browser keeps for an account over reloads and crashes; nothing where it may not, or has no room. */

/** All values whose names begin so, by the time `at` that each has. What is damaged is none. */
export function keptUnder(prefix) {
  try {
    const names = Object.keys(localStorage).filter((name) => name.startsWith(prefix));
    const found = names.map((name) => read(name)).filter((value) => typeof value?.key === "string" && typeof value.conversationId === "string");
    return found.sort((one, other) => one.at - other.at);
  } catch {
    return [];
  }
}

function read(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return null;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // it is only not there after a crash
  }
}

export function drop(name) {
  try {
    localStorage.removeItem(name);
  } catch {
    // then nothing was kept
  }
}
