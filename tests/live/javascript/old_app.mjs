// The client of the app that the service replaces: old_app.mjs URL TOKEN CONVERSATION FOLDER.
// Text and small images go by socket, everything else by HTTP; sending has succeeded when the room hears of it.
// Out: one JSON value a line, {"name", "message", "progress"} for each file of the folder by name, and for a text.
import { openAsBlob } from "node:fs";
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import axios from "axios";
import { io } from "socket.io-client";

const SMALL_BYTES = 1024 * 1024;
const PATIENCE = 15000;
const [url, token, conversation, folder] = process.argv.slice(2);
const socket = io(url, { auth: { access_token: token }, reconnection: false });
const http = axios.create({ baseURL: url, proxy: false, headers: { Authorization: `Bearer ${token}` } });

function heard(matches, start) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => finish(reject, new Error("nobody told of the message")), PATIENCE);
    const onMessage = (message) => matches(message) && finish(resolve, message);
    const onError = (error) => finish(reject, new Error(error.detail));
    const finish = (settle, value) => {
      clearTimeout(timer);
      socket.off("new_message", onMessage).off("error", onError);
      settle(value);
    };
    socket.on("new_message", onMessage).on("error", onError);
    Promise.resolve(start()).catch((error) => finish(reject, error));
  });
}

async function send(content, name) {
  const progress = [];
  const message = await heard(
    (each) => each.conversation_id === conversation && each.content === content,
    async () => {
      const message = { conversation_id: conversation, content, type: "text" };
      if (!name) return socket.emit("send_message", message);
      const path = join(folder, name);
      if (/\.(jpe?g|png|gif|webp)$/i.test(name) && (await stat(path)).size <= SMALL_BYTES) {
        const file_data = (await readFile(path)).toString("base64");
        return socket.emit("send_message", { ...message, type: "image", file_name: name, file_data });
      }
      const form = new FormData();
      form.append("file", await openAsBlob(path), name);
      form.append("conversation_id", conversation);
      form.append("content", content);
      const onUploadProgress = ({ loaded, total }) => progress.push([loaded, total]);
      await http.post("/messages/upload", form, { onUploadProgress });
    },
  );
  console.log(JSON.stringify({ name: name ?? null, message, progress }));
}

await new Promise((resolve, reject) => socket.on("connect", resolve).on("connect_error", reject));
await send("just words");
for (const name of (await readdir(folder)).sort()) await send(`see ${name}`, name);
socket.disconnect();
