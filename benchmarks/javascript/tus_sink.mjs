// No peer: what the client can do at most. Speaks just enough of tus, and throws away what comes. Argument: port.

import http from "node:http";

const offsets = [];

function answer(response, status, headers) {
  response.writeHead(status, { "Tus-Resumable": "1.0.0", "Content-Length": 0, ...headers }).end();
}

http
  .createServer((request, response) => {
    const id = Number(request.url.split("/").at(-1));
    if (request.url === "/healthz") {
      response.end("ok");
    } else if (request.method === "POST") {
      answer(response, 201, { Location: `/files/${offsets.push(0) - 1}` });
    } else if (request.method === "PATCH") {
      request.on("data", (block) => {
        offsets[id] += block.length;
      });
      request.on("end", () => answer(response, 204, { "Upload-Offset": offsets[id] }));
    } else {
      response.writeHead(200, { "Tus-Resumable": "1.0.0", "Upload-Offset": offsets[id] }).end();
    }
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
