// A socket.io-client that a test leads: socket_client.mjs '{"url", "options"}'.
// In, one JSON value a line: [[event, data], …] emits all of them at once, in order; its end disconnects.
// Out: [event, data] for whatever happens, and ["ack", [number, answer]] for each acknowledgement, counted from 0.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const { url, options } = JSON.parse(process.argv[2]);
const socket = io(url, { forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 500, ...options });
const print = (event, data) => process.stdout.write(JSON.stringify([event, data ?? null]) + "\n");

const transport = () => socket.io.engine.transport.name;
socket.on("connect", () => print("connect", transport()));
socket.io.on("open", () => socket.io.engine.on("upgrade", () => print("upgrade", transport())));
socket.on("connect_error", (error) => print("connect_error", error.message));
socket.on("disconnect", (reason) => print("disconnect", reason));
socket.onAny((event, data) => print(event, data));

let sent = 0;
const lines = createInterface({ input: process.stdin });
lines.on("close", () => socket.disconnect());
lines.on("line", (line) => {
  for (const [event, data] of JSON.parse(line)) {
    const number = sent++;
    socket.emit(event, data, (answer) => print("ack", [number, answer]));
  }
});
