"""Small requests by connections of the standard library, against a server on sockets."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from transfer_service_client.credentials import Key
from transfer_service_client.errors import ApiError, SignInNeeded, Unavailable
from transfer_service_client.quick_requests import QuickRequests
from transfer_service_client.session import Session


@dataclass
class Seen:
    """What the server answers in turn (None: it closes the connection), and what came."""

    answers: list[tuple[int, bytes] | None] = field(default_factory=list)
    bodies: list[tuple[str, bytes, str | None]] = field(default_factory=list)
    connections: int = 0


@contextmanager
def _serving(seen: Seen) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            seen.connections += 1

        def do_PUT(self) -> None:  # the name that http.server asks for
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.bodies.append((self.path, body, self.headers["Authorization"]))
            answer = seen.answers.pop(0) if seen.answers else (201, b"{}")
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer[1])))
            self.end_headers()
            self.wfile.write(answer[1])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/prefix"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def quick(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> Iterator[QuickRequests]:
    monkeypatch.setattr("transfer_service_client.session._FIRST_PAUSE_SECONDS", 0.001)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with _serving(seen) as url, Session(url, Key("tsk_x"), patience_seconds=5, verify=False) as session:
        quick = QuickRequests(session)
        yield quick
        quick.close()


def test_requests_share_a_connection_and_show_who_asks(quick: QuickRequests, seen: Seen) -> None:
    for body in (b"one", b"", b"x" * 100_000):
        assert quick.put("/api/files/a%20b", body, {}).json() == {}
    assert seen.bodies == [("/prefix/api/files/a%20b", body, "Bearer tsk_x") for body in (b"one", b"", b"x" * 100_000)]
    assert seen.connections == 1


def test_a_connection_that_was_closed_while_it_rested_is_made_anew(quick: QuickRequests, seen: Seen) -> None:
    quick.put("/a", b"1", {})
    seen.answers = [None]
    assert quick.put("/a", b"2", {}).status_code == 201
    assert seen.connections == 2


@pytest.mark.parametrize("status", [429, 502, 503])
def test_what_passes_is_waited_for(quick: QuickRequests, seen: Seen, status: int) -> None:
    seen.answers = [None, (status, b"{}"), None]
    assert quick.put("/a", b"1", {}).status_code == 201


def test_what_stays_is_told_in_the_words_of_the_service(quick: QuickRequests, seen: Seen) -> None:
    seen.answers = [(400, b'{"detail": "Invalid file name"}')]
    with pytest.raises(ApiError, match="Invalid file name"):
        quick.put("/a", b"1", {})
    assert len(seen.bodies) == 1


def test_a_key_that_does_not_count_is_no_matter_of_patience(quick: QuickRequests, seen: Seen) -> None:
    seen.answers = [(401, b"{}")]
    with pytest.raises(SignInNeeded):
        quick.put("/a", b"1", {})


def test_a_service_that_is_not_there_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer_service_client.session._FIRST_PAUSE_SECONDS", 0.001)
    with (
        Session("http://127.0.0.1:1", Key("tsk_x"), patience_seconds=0.05, verify=False) as session,
        pytest.raises(Unavailable),
    ):
        QuickRequests(session).put("/a", b"1", {})
