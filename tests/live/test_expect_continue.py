"""Asking before sending: `Expect: 100-continue` (RFC 9110 section 10.1.1), and answers before the body is read."""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests

from tests.live.bare_socket import BareClient
from tests.live.chunks import send_chunk
from tests.live.server import LiveServer, running
from transfer_service.wire.chunk_frames import LONG_FRAME

pytestmark = [pytest.mark.measured, pytest.mark.one_machine("nginx answers Expect by itself")]

LIMIT, QUOTA = 1_000_000, 1_500_000
EXPECT = "Expect: 100-continue"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """An instance with a small size limit and quota."""
    limits = {"TRANSFER_MAX_FILE_BYTES": str(LIMIT), "TRANSFER_QUOTA_BYTES": str(QUOTA)}
    with running(tmp_path_factory.mktemp("small") / "data", "alice", "full", **limits) as server:
        session = server.sign_in("full")
        for name in ("one", "two"):
            answer = session.post(f"{server.url}/api/files?filename={name}", data=b"x" * (QUOTA // 2), timeout=30)
            assert answer.status_code == 201
        yield server


def test_a_welcome_body_is_asked_for(small: LiveServer) -> None:
    with BareClient(small, small.sign_in("alice")) as client:
        client.send_head("POST", "/api/files?filename=asked.bin", EXPECT, "Content-Length: 5")
        interim, _ = client.receive_head()
        client.send(b"hello")
        assert (interim, client.receive().status) == (100, 201)


@pytest.mark.parametrize(
    ("account", "target", "headers", "status"),
    [
        pytest.param(None, "/api/files?filename=a", ["Content-Length: 5"], 401, id="no-token"),
        pytest.param("alice", "/api/files?filename=a", ["Content-Length: 1000001"], 413, id="too-large"),
        pytest.param("alice", "/api/files/upload?filename=a", ["Content-Length: 1000018"], 413, id="chunk-too-large"),
        pytest.param(
            "alice",
            "/api/files/upload?filename=a&total_size=1000001",
            ["Content-Length: 18"],
            413,
            id="total-too-large",
        ),
        pytest.param(
            "alice", "/upload/a", ["Content-Length: 13", "Content-Range: bytes 0-0/1000001"], 413, id="range-too-large"
        ),
        pytest.param("full", "/api/files?filename=a", ["Content-Length: 5"], 413, id="over-quota"),
        pytest.param("full", "/api/files/upload?filename=a", ["Content-Length: 22"], 413, id="chunk-over-quota"),
        pytest.param(
            "full", "/upload/a", ["Content-Length: 13", "Content-Range: bytes 0-0/*"], 413, id="range-over-quota"
        ),
    ],
)
def test_a_body_that_will_be_refused_is_never_asked_for(
    small: LiveServer, account: str | None, target: str, headers: list[str], status: int
) -> None:
    with BareClient(small, small.sign_in(account) if account else None) as client:
        client.send_head("POST", target, EXPECT, *headers)
        answer = client.receive()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert "detail" in answer.json
        assert client.is_closed()


def test_a_client_that_sends_without_asking_can_still_read_its_refusal(small: LiveServer) -> None:
    body = b"x" * 50_000_000
    answer = small.sign_in("alice").post(f"{small.url}/api/files?filename=huge", data=body, timeout=30)
    assert (answer.status_code, answer.json()) == (413, {"detail": "File exceeds the maximum size"})


def test_a_refused_small_body_leaves_the_connection_usable(small: LiveServer) -> None:
    with BareClient(small, small.sign_in("alice")) as client:
        client.send_head("POST", "/api/files/upload", "Content-Length: 5")
        client.send(b"hello")
        refused = client.receive()
        client.send_head("GET", "/healthz")
        assert (refused.status, client.receive().status) == (400, 200)


def test_what_a_stalled_body_sends_later_is_not_a_request(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "alice", TRANSFER_READ_TIMEOUT_SECONDS="1") as server,
        BareClient(server, server.sign_in("alice")) as client,
    ):
        client.send_head("POST", "/upload/log", "Content-Length: 100", "Content-Range: bytes 0-87/88")
        client.send(b"\0\0\0")
        answer = client.receive()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        client.send(b"GET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n")
        assert client.is_closed()


def test_a_sign_in_that_stalls_is_dropped(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "alice", TRANSFER_READ_TIMEOUT_SECONDS="1") as server,
        BareClient(server) as client,
    ):
        client.send_head("POST", "/auth/token", "Content-Length: 100", "Content-Type: application/json")
        client.send(b"{")
        assert client.receive().status == 408


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"zz\r\n", id="no-number"),
        pytest.param(b"-1\r\n", id="negative"),
        pytest.param(b"5\r\nabcdefgh\r\n0\r\n\r\n", id="no-line-end"),
        pytest.param(b"5;" + b"x" * 100_000 + b"\r\n", id="long-extension"),
    ],
)
def test_a_malformed_chunked_body_is_the_clients_fault(
    server: LiveServer, alice: requests.Session, body: bytes
) -> None:
    with BareClient(server, alice) as client:
        client.send_head("POST", "/api/files?filename=chunked.bin", "Transfer-Encoding: chunked")
        client.send(body)
        assert client.receive().status == 400
    assert alice.get(f"{server.url}/api/files/status/chunked.bin", timeout=30).json()["status"] == "pending"


def test_a_chunked_body_of_unknown_length_is_stored(server: LiveServer, alice: requests.Session) -> None:
    frame = LONG_FRAME.format(0, b"hello" * 100_000)
    pieces = (frame[start : start + 70_000] for start in range(0, len(frame), 70_000))
    answer = alice.post(f"{server.url}/api/files/upload?filename=stream.bin", data=pieces, timeout=30)
    assert (answer.status_code, answer.json()["bytes_received"]) == (200, 500_000)
    assert send_chunk(alice, server, "stream.bin", 0, b"hello").status_code == 200


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        pytest.param(b"NONSENSE\r\n\r\n", 400, id="no-http"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nX Y: 1\r\n\r\n", 400, id="bad-header"),
        pytest.param(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, id="long-target"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431, id="many-headers"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: %s\r\n" % (n, b"y" * 8000) for n in range(20)),
            431,
            id="a-large-head-that-has-no-end",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            id="smuggling",
        ),
    ],
)
def test_what_is_no_http_is_answered_in_json(server: LiveServer, request_head: bytes, status: int) -> None:
    with BareClient(server) as client:
        client.send(request_head)
        answer = client.receive()
        assert (answer.status, list(answer.json)) == (status, ["detail"])
        assert abs(parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()) < 60
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_a_connection_that_never_finishes_its_first_request_is_closed(server: LiveServer) -> None:
    with BareClient(server) as client:
        client.socket.settimeout(30)
        client.send(b"GET /healthz HTTP/1.1\r\nHost:")
        assert client.is_closed()
