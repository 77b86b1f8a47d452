"""A proxy that has each body whole before it passes it on, takes none beyond its limit, and says so or hangs up."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "date", "server"})


class StrictProxy(ThreadingHTTPServer):
    """In front of a service at `behind`, a port."""

    daemon_threads = True

    def __init__(self, behind: int, *, limit: int, answers: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.limit, self.answers = behind, limit, answers
        self.refused = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StrictProxy

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        length = int(self.headers.get("Content-Length", 0))
        if length > self.server.limit:
            self._refuse()
        else:
            self._pass_on(self.rfile.read(length))

    def _refuse(self) -> None:
        self.server.refused += 1
        self.close_connection = True
        if self.server.answers:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(413)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "12")
            self.end_headers()
            self.wfile.write(b"<h1>413</h1>")

    def _pass_on(self, body: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=60)
        connection.request(self.command, self.path, body=body or None, headers=dict(self.headers.items()))
        answer = connection.getresponse()
        told = answer.read()
        connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP | {"content-length"}:
                self.send_header(name, value)
        if self.command == "HEAD" or answer.status == 204:
            self.end_headers()
            return
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def strict_proxy(behind: int, *, limit: int, answers: bool) -> Iterator[StrictProxy]:
    """`answers`: it refuses by 413, else it ends the connection. Its port is `server_port`."""
    proxy = StrictProxy(behind, limit=limit, answers=answers)
    thread = Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
