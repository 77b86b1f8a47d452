// An EventSource as node programs use it: event_source.mjs '{"url", "headers"}'. Ends when it is closed, or with its input.
// Out, one JSON value a line: [event, data] for whatever happens; "closed" says that it does not come back.
import { EventSource } from "eventsource";

const { url, headers } = JSON.parse(process.argv[2]);
const print = (event, data) => process.stdout.write(JSON.stringify([event, data ?? null]) + "\n");
const source = new EventSource(url, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
});

source.addEventListener("open", () => print("open"));
source.addEventListener("message", ({ data, lastEventId }) => print("message", { ...JSON.parse(data), id: lastEventId }));
source.addEventListener("error", ({ code }) => {
  const isClosed = source.readyState === EventSource.CLOSED;
  print(isClosed ? "closed" : "interrupted", code);
  if (isClosed) process.exit();
});
process.stdin.on("end", () => process.exit()).resume();
