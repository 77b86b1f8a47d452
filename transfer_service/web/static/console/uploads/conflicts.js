/* Which of the names that are wanted are taken: asked before anything is sent, and the answer to what is done about it. */

import { api, encodeName } from "../core/api.js";
import { createStore } from "../core/store.js";
import { commonFolder } from "./decisions.js";
import { addFiles } from "./uploads.js";

const ASKED_ONE_BY_ONE = 30;
const AT_ONCE = 6;
const PAGE = 1000;
const MOST_PAGES = 20;

/** What is asked: null, or `{taken, answer}`; `answer` takes "replace", "keep" or "skip". */
export const question = createStore(null);

/** Send what has been chosen. Names that are taken are asked about, once for all of them; the others begin at once. */
export async function send(wanted) {
  const taken = await takenOf(wanted.map((each) => each.name.normalize("NFC")));
  const isTaken = (each) => taken.has(each.name.normalize("NFC"));
  const free = wanted.filter((each) => !isTaken(each));
  if (free.length) addFiles(free);
  const rest = wanted.filter(isTaken);
  if (!rest.length) return;
  const answer = await ask(rest.map((each) => each.name));
  if (answer !== "skip") addFiles(rest.map((each) => ({ ...each, overwrite: answer === "replace" })));
}

let asked = Promise.resolve();

function ask(taken) {
  asked = asked.then(() => new Promise((resolve) => {
    question.set({ taken, answer: (answer) => {
      question.set(null);
      resolve(answer);
    } });
  }));
  return asked;
}

/* Where it cannot be told, none: then a name that is taken is numbered. */
async function takenOf(names) {
  try {
    return names.length <= ASKED_ONE_BY_ONE ? await takenOneByOne(names) : await takenBelow(names);
  } catch {
    return new Set();
  }
}

async function takenOneByOne(names) {
  const taken = new Set();
  const left = [...names];
  const work = async () => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      const { status } = await api("GET", `/api/files/status/${encodeName(name)}`).catch(() => ({})); // a bad name, too
      if (status === "complete") taken.add(name);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return taken;
}

async function takenBelow(names) {
  const wanted = new Set(names);
  const taken = new Set();
  const query = { prefix: commonFolder(names), status: "complete", sort: "name", limit: PAGE };
  for (let page = 0, cursor = null; page < MOST_PAGES && (page === 0 || cursor); page += 1) {
    const answer = await api("GET", "/api/files", { query: { ...query, cursor } });
    for (const { filename } of answer.files) if (wanted.has(filename)) taken.add(filename);
    cursor = answer.next_cursor;
  }
  return taken;
}
