"""Uploading through nginx: bodies that break off, stall, pause or come over HTTP/2, as at the service itself."""

import hashlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import requests

from tests.live.appends import file_ids, is_written, stored_names
from tests.live.bare_socket import BareClient, Listening
from tests.live.nginx import NginxSite, running_site
from tests.live.server import wait_until
from transfer_service.wire.chunk_frames import LONG_FRAME

MEBIBYTE = 1024 * 1024
CHUNK = np.random.default_rng(8).bytes(3 * MEBIBYTE)  # too large to be verified in memory: it streams
READ_TIMEOUT_SECONDS = 1.5


class Door(NamedTuple):
    """One of the two ways in, with the account that goes through it."""

    site: NginxSite
    listening: Listening
    url: str
    alice: requests.Session

    def connect(self) -> BareClient:
        return BareClient(self.listening, self.alice)

    def send_chunk(self, name: str, start: int, data: bytes, *, total: int) -> requests.Response:
        query = {"filename": name, "total_size": str(total)}
        body = LONG_FRAME.format(start, data)
        return self.alice.post(f"{self.url}/api/files/upload", params=query, data=body, timeout=30)

    def begin_chunk(self, client: BareClient, name: str, start: int, data: bytes, *, total: int) -> None:
        """Send two thirds of a chunk, and return when the service is writing them."""
        target = f"/api/files/upload?filename={name}&total_size={total}"
        frame = LONG_FRAME.format(start, data)
        client.send_head("POST", target, f"Content-Length: {len(frame)}")
        client.send(frame[: len(frame) * 2 // 3])
        wait_until(lambda: is_written(self.site.direct, name))

    def status(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.alice.get(f"{self.url}/api/files/status/{name}", timeout=30).json()
        return answer


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxSite]:
    settings = {"TRANSFER_READ_TIMEOUT_SECONDS": str(READ_TIMEOUT_SECONDS)}
    with running_site(tmp_path_factory.mktemp("uploads") / "data", "alice", **settings) as site:
        yield site


@pytest.fixture(scope="module")
def alice(site: NginxSite) -> requests.Session:
    return site.direct.sign_in("alice")


@pytest.fixture(params=["direct", "fronted"])
def door(site: NginxSite, alice: requests.Session, request: pytest.FixtureRequest) -> Door:
    server: Any = site.direct if request.param == "direct" else site.front
    return Door(site, server, server.url, alice)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name of the test's own."""
    return hashlib.sha256(request.node.name.encode()).hexdigest()[:12]


@pytest.mark.parametrize("drop", ["reset", "close", "half-close"])
def test_a_dropped_chunk_counts_for_nothing_and_can_be_sent_again(door: Door, name: str, drop: str) -> None:
    total = 1000 + len(CHUNK)
    assert door.send_chunk(name, 0, b"a" * 1000, total=total).status_code == 200
    with door.connect() as client:
        door.begin_chunk(client, name, 1000, CHUNK, total=total)
        if drop == "reset":
            client.reset()
        elif drop == "half-close":
            client.socket.shutdown(socket.SHUT_WR)
            client.read_to_the_end()
    between = door.status(name)
    again = door.send_chunk(name, 1000, CHUNK, total=total)
    assert (between["status"], between["bytes_received"], between["next_expected_byte"]) == ("partial", 1000, 1000)
    assert (again.status_code, again.json()["sha256"]) == (200, hashlib.sha256(b"a" * 1000 + CHUNK).hexdigest())


@pytest.mark.parametrize("drop", ["reset", "close"])
def test_a_dropped_whole_file_leaves_nothing(door: Door, name: str, drop: str) -> None:
    before = stored_names(door.site.direct)
    with door.connect() as client:
        client.send_head("POST", f"/api/files?filename={name}", f"Content-Length: {len(CHUNK)}")
        client.send(CHUNK[:-1])
        wait_until(lambda: bool(file_ids(door.site.direct, name)))
        if drop == "reset":
            client.reset()
    wait_until(lambda: not file_ids(door.site.direct, name) and stored_names(door.site.direct) == before)
    assert door.status(name)["status"] == "pending"


def test_a_stalled_writer_gives_way(door: Door, name: str) -> None:
    with door.connect() as stalled:
        door.begin_chunk(stalled, name, 0, b"\xff" * len(CHUNK), total=len(CHUNK))
        started = time.monotonic()
        answer = door.send_chunk(name, 0, CHUNK, total=len(CHUNK))
        assert time.monotonic() - started < 10  # who is refused waits no longer than two seconds
        assert (answer.status_code, answer.json().get("sha256")) == (200, hashlib.sha256(CHUNK).hexdigest())
        assert stalled.receive().status in {408, 503}


def test_pauses_shorter_than_the_limit_do_no_harm(door: Door, name: str) -> None:
    frame, third = LONG_FRAME.format(0, CHUNK), len(CHUNK) // 3
    with door.connect() as client:
        client.send_head("POST", f"/api/files/upload?filename={name}", f"Content-Length: {len(frame)}")
        for piece in (frame[:10], frame[10:20], frame[20:30], frame[30:third]):
            client.send(piece)
            time.sleep(0.4 * READ_TIMEOUT_SECONDS)  # the pause is what is tested
        client.send(frame[third:])
        answer = client.receive()
        assert (answer.status, answer.json["sha256"]) == (200, hashlib.sha256(CHUNK).hexdigest())


def test_silence_beyond_the_limit_is_408_and_what_comes_later_is_no_request(door: Door, name: str) -> None:
    with door.connect() as client:
        door.begin_chunk(client, name, 0, CHUNK, total=len(CHUNK))
        answer = client.receive()
        assert (answer.status, list(answer.json)) == (408, ["detail"])
        client.send(b"GET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.is_closed()


def test_who_is_refused_in_mid_body_can_read_why(door: Door) -> None:
    answer = requests.post(f"{door.url}/api/files?filename=x", data=b"x" * 30 * MEBIBYTE, timeout=30)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})


def curl(
    site: NginxSite, session: requests.Session, path: str, *options: str, source: Path = Path("/dev/null")
) -> subprocess.CompletedProcess[bytes]:
    """curl over HTTP/2 and TLS; it prints the version and the status behind the body."""
    fixed = ["--http2", "--cacert", str(site.front.certificate), "-w", "\n%{http_version} %{http_code}"]
    token, binary = f"Authorization: {session.headers['Authorization']!s}", "Content-Type: application/octet-stream"
    command = ["curl", "-sS", *fixed, "-H", token, "-H", binary, *options, site.front.tls_url + path]
    with source.open("rb") as stdin:
        return subprocess.run(command, stdin=stdin, check=False, capture_output=True)


def printed(result: subprocess.CompletedProcess[bytes]) -> tuple[bytes, str]:
    """The body, and the version and status behind it."""
    body, _, end = result.stdout.rpartition(b"\n")
    assert result.returncode == 0, result.stderr
    return body, end.decode()


@pytest.mark.parametrize(("path", "options", "status"), [
    pytest.param("/api/files", ["--data-binary", "@SOURCE"], "2 201", id="whole"),
    pytest.param("/api/files", ["-X", "POST", "-T", "-"], "2 201", id="unknown-length"),
    pytest.param("/api/files/upload", ["--data-binary", "@SOURCE"], "2 200", id="chunk"),
])  # fmt: skip
def test_fifty_mebibytes_over_http2_come_back_the_same(
    site: NginxSite, alice: requests.Session, tmp_path: Path, name: str, path: str, options: list[str], status: str
) -> None:
    content = np.random.default_rng(9).bytes(50 * MEBIBYTE)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(LONG_FRAME.format(0, content) if path.endswith("upload") else content)
    options = [option.replace("SOURCE", str(source)) for option in options]
    answer, sent = printed(curl(site, alice, f"{path}?filename={name}", *options, source=source))
    _, came = printed(curl(site, alice, f"/download/{name}", "-o", str(target)))
    assert (sent, json.loads(answer)["sha256"]) == (status, hashlib.sha256(content).hexdigest())
    assert (came, hashlib.sha256(target.read_bytes()).digest()) == ("2 200", hashlib.sha256(content).digest())


def test_a_dropped_http2_chunk_counts_for_nothing_and_can_be_sent_again(
    site: NginxSite, alice: requests.Session, tmp_path: Path, name: str
) -> None:
    door, source = Door(site, site.front, site.front.url, alice), tmp_path / "source"
    source.write_bytes(LONG_FRAME.format(0, CHUNK))
    slowly = ["--limit-rate", "1M", "--max-time", "1", "--data-binary", f"@{source}"]
    dropped = curl(site, alice, f"/api/files/upload?filename={name}&total_size={len(CHUNK)}", *slowly)
    between = door.status(name)
    again = door.send_chunk(name, 0, CHUNK, total=len(CHUNK))
    assert dropped.returncode == 28  # curl's own time was over
    assert (between["status"], between["bytes_received"]) == ("pending", 0)
    assert (again.status_code, again.json()["sha256"]) == (200, hashlib.sha256(CHUNK).hexdigest())


def test_who_is_refused_over_http2_can_read_why(site: NginxSite, alice: requests.Session, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 30 * MEBIBYTE)
    answer, status = printed(curl(site, alice, "/api/files?filename=a%2F..%2Fb", "--data-binary", f"@{source}"))
    assert (status, json.loads(answer)) == ("2 400", {"detail": "Invalid file name"})
