"""Small requests by connections of the standard library, against a server on sockets."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from transfer_service_client.connection.credentials import Key
from transfer_service_client.connection.file_parts import FilePart
from transfer_service_client.connection.quick_requests import QuickRequests
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import ApiError, SignInNeeded, Unavailable


@dataclass
class Seen:
    """What the server answers in turn (None: it closes the connection), and what came."""

    answers: list[tuple[int, bytes] | None] = field(default_factory=list)
    bodies: list[tuple[str, bytes, str | None]] = field(default_factory=list)
    connections: int = 0
    early: int | None = None
    """A PATCH is refused after so many bytes."""


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

        def do_PATCH(self) -> None:
            if seen.early is not None:
                self.rfile.read(seen.early)
                self.send_response(409)
                self.send_header("Content-Length", "0")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                return
            self.do_PUT()

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
    monkeypatch.setattr("transfer_service_client.connection.patience._FIRST_PAUSE_SECONDS", 0.001)
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
    monkeypatch.setattr("transfer_service_client.connection.patience._FIRST_PAUSE_SECONDS", 0.001)
    with (
        Session("http://127.0.0.1:1", Key("tsk_x"), patience_seconds=0.05, verify=False) as session,
        pytest.raises(Unavailable),
    ):
        QuickRequests(session).put("/a", b"1", {})


def _blocks(count: int) -> Iterator[memoryview]:
    for number in range(count):
        yield memoryview(bytes([number % 256]) * 100_000)


def _append(quick: QuickRequests, count: int) -> httpx.Response:
    headers = {"Content-Length": str(count * 100_000)}
    return quick.try_once("PATCH", "/api/uploads/u", content=_blocks(count), headers=headers)


def test_a_large_body_goes_in_blocks_over_one_connection(quick: QuickRequests, seen: Seen) -> None:
    for _ in range(3):
        assert _append(quick, 30).status_code == 201
    assert [body for _, body, _ in seen.bodies] == [b"".join(_blocks(30))] * 3
    assert seen.connections == 1


def test_a_large_body_goes_over_no_connection_that_has_rested(
    quick: QuickRequests, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who closed it meanwhile is found out by the body, which may be there only once."""
    monkeypatch.setattr("transfer_service_client.connection.quick_requests._RESTED_SECONDS", -1.0)
    for _ in range(2):
        assert _append(quick, 1).status_code == 201
    assert seen.connections == 2


def test_parts_of_files_go_like_blocks(quick: QuickRequests, seen: Seen, tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(bytes(range(256)) * 8192)
    with (tmp_path / "film").open("rb") as file:
        parts = [FilePart("film", file.fileno(), start, 500_000) for start in (0, 7, 1_000_000)]
        quick.try_once("PATCH", "/u", content=parts, headers={"Content-Length": "1500000"})
        assert [body for _, body, _ in seen.bodies] == [b"".join(map(bytes, parts))]


def test_parts_of_files_after_an_early_answer_are_not_sent(quick: QuickRequests, seen: Seen, tmp_path: Path) -> None:
    seen.early = 100_000
    (tmp_path / "film").write_bytes(bytes(1_000_000))
    with (tmp_path / "film").open("rb") as file:
        part = FilePart("film", file.fileno(), 0, 1_000_000)
        answer = quick.try_once("PATCH", "/u", content=[part] * 50, headers={"Content-Length": "50000000"})
    assert answer.status_code == 409


def test_an_answer_before_the_end_of_a_body_is_heard(quick: QuickRequests, seen: Seen) -> None:
    seen.early = 100_000
    assert _append(quick, 500).status_code == 409
    seen.early = None
    assert _append(quick, 2).status_code == 201


def test_a_silent_line_is_given_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a second time, by waiting for an answer to what did not go out."""
    monkeypatch.setattr("transfer_service_client.connection.quick_requests._TIMEOUT_SECONDS", 0.2)
    answers: list[str] = []
    monkeypatch.setattr(HTTPConnection, "getresponse", lambda *_: answers.append("asked for"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        session = Session(f"http://127.0.0.1:{silent.getsockname()[1]}", Key("tsk_x"))
        with session, pytest.raises(httpx.WriteTimeout):
            _append(QuickRequests(session), 4096)
    assert answers == []


def test_a_line_that_breaks_is_told_as_such_and_a_content_that_breaks_as_it_is(
    quick: QuickRequests, seen: Seen
) -> None:
    seen.answers = [None]
    with pytest.raises(httpx.TransportError):
        _append(quick, 2)

    def broken() -> Iterator[memoryview]:
        yield memoryview(b"x")
        raise OSError("the disk broke")

    with pytest.raises(OSError, match="the disk broke"):
        quick.try_once("PATCH", "/u", content=broken(), headers={"Content-Length": "5"})
    assert _append(quick, 1).status_code == 201


def test_tokens_are_renewed_after_a_refusal_and_nothing_is_sent_twice(
    quick: QuickRequests, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen.answers = [(401, b"{}"), (401, b"{}")]
    with pytest.raises(SignInNeeded):
        _append(quick, 1)
    monkeypatch.setattr(Session, "renew", lambda *_: True)
    assert _append(quick, 1).status_code == 401
    assert len(seen.bodies) == 2


def test_a_proxy_of_the_environment_gets_every_request(monkeypatch: pytest.MonkeyPatch, seen: Seen) -> None:
    with _serving(seen) as proxy:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, proxy.removesuffix("/prefix"))
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with Session("http://service.invalid", Key("tsk_x"), patience_seconds=5, verify=False) as session:
            quick = QuickRequests(session)
            assert quick.put("/a", b"1", {}).status_code == 201
            assert _append(quick, 2).status_code == 201
            assert session.request("PUT", "/b", content=b"2").status_code == 201
    assert [path for path, _, _ in seen.bodies] == [
        f"http://service.invalid/{path}" for path in ("a", "api/uploads/u", "b")
    ]
