// The peer on node: @tus/server with @tus/file-store, as their documentation shows it. Arguments: port, folder.

import http from "node:http";
import { FileStore } from "@tus/file-store";
import { Server } from "@tus/server";

const [port, directory] = process.argv.slice(2);
const server = new Server({ path: "/files", datastore: new FileStore({ directory }) });
const handle = server.handle.bind(server);

http
  .createServer((request, response) => {
    if (request.url === "/healthz") {
      response.end("ok");
    } else {
      handle(request, response);
    }
  })
  .listen(Number(port), "127.0.0.1");
