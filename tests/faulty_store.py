"""moto's server of S3 with faults that a test chooses: refusals, answers that get lost, parts that come slowly."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from benchmarks.object_store import BUCKET, CREDENTIALS
from transfer_service.wire.store_addresses import StoreAddress

Application = Callable[[Any, Any], Iterable[bytes]]
Fault = Callable[[Application, Any, Any], Iterable[bytes]]
"""What answers instead of the store, which it gets, with the environ and `start_response` of WSGI."""


class Cut(Exception):
    """Ends the connection without an answer."""


def refusal(status: str, code: str) -> Fault:
    """An error as S3 words it."""

    def answer(_store: Application, environ: Any, start: Any) -> list[bytes]:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start(status, [("Content-Type", "application/xml")])
        return [f"<Error><Code>{code}</Code><Message>secret words of the store</Message></Error>".encode()]

    return answer


def nonsense(status: str) -> Fault:
    """A page of something in between that lets nobody through."""

    def answer(_store: Application, environ: Any, start: Any) -> list[bytes]:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body = [] if status.startswith("204") else [b"<html><body>Sign in</body></html>"]
        start(status, [("Content-Type", "text/html"), *([("Content-Length", str(len(body[0])))] if body else [])])
        return body

    return answer


def lost_answer(store: Application, environ: Any, _start: Any) -> list[bytes]:
    """The store does it, and nobody hears of that."""
    b"".join(store(environ, lambda *_: None))
    raise Cut


def unheard(_store: Application, _environ: Any, _start: Any) -> list[bytes]:
    """The store does not get to it."""
    raise Cut


def short_answer(store: Application, environ: Any, start: Any) -> Iterator[bytes]:
    """The connection breaks off in the middle of the bytes."""
    body = b"".join(store(environ, start))
    yield body[: len(body) // 2]
    raise Cut


def damaged_answer(store: Application, environ: Any, start: Any) -> list[bytes]:
    """One of the bytes is another one."""
    body = bytearray(b"".join(store(environ, start)))
    body[len(body) // 2] ^= 1
    return [bytes(body)]


def damaged_once() -> Fault:
    """Of every span of a blob the first answer is damaged, and all later ones are right."""
    seen: set[tuple[str, str]] = set()

    def answer(store: Application, environ: Any, start: Any) -> Iterable[bytes]:
        asked = environ["PATH_INFO"], environ.get("HTTP_RANGE", "")
        if environ["REQUEST_METHOD"] != "GET" or "/p" not in asked[0] or environ["QUERY_STRING"] or asked in seen:
            return store(environ, start)
        seen.add(asked)
        return damaged_answer(store, environ, start)

    return answer


def slow(seconds: float) -> Fault:
    """The answer takes so long."""

    def answer(store: Application, environ: Any, start: Any) -> Iterable[bytes]:
        time.sleep(seconds)
        return store(environ, start)

    return answer


@dataclass
class FaultyStore:
    """The next calls meet these faults, one each; the calls that came are kept, as method and what they called."""

    store: Application
    faults: deque[Fault | None] = field(default_factory=deque)
    always: Fault | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0
    server: BaseWSGIServer | None = None

    def start(self) -> None:
        """Listen, with all that it had."""
        self.server = make_server(
            "127.0.0.1", self.port, self, threaded=True, request_handler=_Quiet, passthrough_errors=True
        )
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    @property
    def address(self) -> StoreAddress:
        return StoreAddress(BUCKET, "p", f"http://127.0.0.1:{self.port}", "us-east-1")

    @property
    def url(self) -> str:
        """What TRANSFER_STORAGE_URL may be."""
        return f"s3://{BUCKET}/p?endpoint={self.address.endpoint}&region=us-east-1"

    def __call__(self, environ: Any, start: Any) -> Iterable[bytes]:
        self.calls.append((environ["REQUEST_METHOD"], f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"))
        fault = self.faults.popleft() if self.faults else self.always
        return fault(self.plain, environ, start) if fault else self.plain(environ, start)

    def plain(self, environ: Any, start: Any) -> Iterable[bytes]:
        """Without faults. Unlike moto no store gives a checksum of a span."""

        def begin(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            is_span = "HTTP_RANGE" in environ
            return start(
                status,
                [each for each in headers if not (is_span and each[0].lower().startswith("x-amz-checksum"))],
                *more,
            )

        return self.store(environ, begin)


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        pass

    def run_wsgi(self) -> None:
        try:
            super().run_wsgi()
        except Cut:
            self.close_connection = True


@contextmanager
def faulty_server() -> Iterator[FaultyStore]:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    store = FaultyStore(DomainDispatcherApplication(create_backend_app))
    store.start()
    try:
        boto3.client("s3", endpoint_url=store.address.endpoint, region_name="us-east-1").create_bucket(Bucket=BUCKET)
        store.calls.clear()
        yield store
    finally:
        store.stop()


@pytest.fixture
def faulty_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyStore]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with faulty_server() as store:
        yield store
