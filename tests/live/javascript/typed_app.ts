// An app that must compile as it stands: what is wrong in it is said to be wrong, and has to be.
import { ApiError, blobSink, SignInNeeded, TransferClient, type Entry, type TransferFile, type Upload } from "transfer-service-client";
import { fileSink, fileStorage, openFile } from "transfer-service-client/node";

const client = new TransferClient("https://files.example.com", {
  storage: fileStorage("kept"),
  onTokens: (tokens) => tokens?.accessToken.length,
  onSignOut: () => {},
});
new TransferClient("https://files.example.com", { storage: localStorage, key: "tsk_…" });

const upload: Upload = client.upload(await openFile("film.mp4"), { name: "Films/film.mp4", onProgress: (sent, total) => sent / (total ?? sent) });
const file: TransferFile = await upload.done;
client.upload(new Uint8Array(3), { name: "a.bin" });
client.upload(new Blob(["a"]).stream(), { name: "a.bin", signal: AbortSignal.timeout(1000) });
const path: string = await client.download(file, fileSink("film.mp4"), { onProgress: (received, total) => received / total });
const blob: Blob = await client.download(file.file_id, blobSink());
await client.download(file, { write: (bytes, offset) => console.log(path, blob, bytes.length, offset) });
for await (const each of client.browse("Films")) describe(each);

const { chat } = client;
await chat.connect();
const hush: () => void = chat.on("typing", ({ sender }) => sender.length);
chat.on("disconnect", (reason) => reason.length);
const following = await chat.follow("6a00", (messages, cursor) => messages.map(({ content }) => content ?? cursor), { cursor: "c" });
const message = await chat.sendFile("6a00", new Uint8Array(3), { name: "a.bin", content: "A file", key: "1" });
await client.download(message, blobSink());
const { url }: { url: string } = await client.address(message, { inline: true });
for await (const each of chat.history("6a00")) chat.edit(each, each.sender + following.cursor + url);
hush();

function describe(entry: Entry): string {
  return entry.type === "folder" ? entry.path : entry.filename;
}

try {
  await client.rename(file, "Films/other.mp4");
} catch (error) {
  if (error instanceof SignInNeeded) client.signIn("alice", "…");
  else if (error instanceof ApiError && error.code === "conflict") console.log(error.status);
}

// @ts-expect-error an address is needed
new TransferClient();
// @ts-expect-error tokens are no texts
new TransferClient("https://files.example.com", { tokens: "eyJ…" });
// @ts-expect-error a text is nothing to send
client.upload("film.mp4");
// @ts-expect-error the state is not for others to set
upload.state = "done";
// @ts-expect-error the file is there later
upload.done.filename;
// @ts-expect-error previews have three sizes
client.address(file, { thumbnail: 100 });
// @ts-expect-error a sink has to be written to
client.download(file, { finish: () => 1 });
// @ts-expect-error there is no such event
chat.on("message", () => {});
// @ts-expect-error what is typing has no content
chat.on("typing", ({ content }) => content);
// @ts-expect-error there is no such order
client.files({ order: "up" });
