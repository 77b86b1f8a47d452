"""Downloads of a service in a thread, that may cut, corrupt or change what they send."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from transfer_service_client.connection.session import Session
from transfer_service_client.models import File


class SmallService:
    """Sends `data`; `body` may make other bytes of an answer, and an answer shorter than its length is cut."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.etag: str | None = '"one"'
        self.has_ranges = True
        self.body: Callable[[int, bytes], bytes] = lambda _start, data: data
        self.statuses: list[int] = []  # answered first
        self.still_after: list[int] = []  # answers that stand still after so many bytes, the first one first
        self.is_over = threading.Event()
        self.ranges: list[str | None] = []
        self.versions: list[str | None] = []
        """What each request said that the rest has to be of."""
        self.retry_after: str | None = None
        self.redirects_to: str | None = None
        self.authorizations: list[str | None] = []

    def file(self, name: str = "a/film.mp4") -> File:
        at = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
        sha256 = hashlib.sha256(self.data).hexdigest()
        return File("11111111-1111-4111-8111-111111111111", name, len(self.data), "video/mp4", sha256, True, at, at)


@contextmanager
def serving(service: SmallService, patience_seconds: float = 30.0) -> Iterator[Session]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            service.ranges.append(asked)
            service.versions.append(self.headers.get("If-Range"))
            service.authorizations.append(self.headers.get("Authorization"))
            if service.redirects_to is not None or service.statuses:
                self.send_response(service.statuses.pop(0) if service.statuses else 307)
                for name, value in (("Location", service.redirects_to), ("Retry-After", service.retry_after)):
                    if value is not None:
                        self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start, end = 0, len(service.data)
            is_current = self.headers.get("If-Range") in {None, service.etag}
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", asked or "")
            if found and is_current and service.has_ranges:
                start, end = int(found[1]), int(found[2]) + 1
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(service.data)}")
            else:
                self.send_response(200)
            if service.etag is not None:
                self.send_header("ETag", service.etag)
            self.send_header("Content-Length", str(end - start))
            self.end_headers()
            body = service.body(start, service.data[start:end])
            try:
                if service.still_after:
                    self.wfile.write(body[: service.still_after.pop(0)])
                    service.is_over.wait()
                    self.close_connection = True
                    return
                self.wfile.write(body)
            except OSError:
                self.close_connection = True
            if len(body) < end - start:
                self.close_connection = True

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with Session(f"http://127.0.0.1:{server.server_port}", patience_seconds=patience_seconds) as session:
            yield session
    finally:
        service.is_over.set()
        server.shutdown()
        thread.join()
        server.server_close()
