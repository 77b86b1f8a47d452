"""What answers may be anything: a socket that sends the bytes it is told to, to each that asks."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def response(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    """The bytes of an answer of JSON, with more fields."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *fields]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


@contextmanager
def answering(answer: bytes, *, endless: bytes = b"") -> Iterator[str]:
    """The address of a service that answers everything by `answer`, and then `endless` again and again."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                length = 0
                while (line := self.rfile.readline()) not in {b"", b"\r\n"}:
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                self.rfile.read(length)
                self.wfile.write(answer)
                while endless:
                    self.wfile.write(endless)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Whoever has enough of an answer goes."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
