"""Members of archives over real sockets: hostile paths, large members, and clients that go away."""

import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
import requests

from tests.games import add_archive, make_zip
from tests.live.bare_socket import BareClient
from tests.live.server import LiveServer, running, wait_until

LARGE = np.random.default_rng(8).bytes(64 * 1024) * 400  # 25 MiB, much more than the buffers of a socket
ZEROS = bytes(40 * 1024 * 1024)
MEMBERS = {"content/example.com/a.html": b"<p>hello", "large.bin": LARGE, "zeros.bin": ZEROS, "x": b"x"}


@dataclass
class Shelf:
    """A running instance with an archive of each method."""

    server: LiveServer
    session: requests.Session
    stored: str
    deflated: str

    def ask(self, target: str, *headers: str, method: str = "GET") -> tuple[int, bytes]:
        """Status and body of one request whose target nobody has put in order."""
        with BareClient(self.server, self.session) as client:
            client.send_head(method, target, *headers)
            answer = client.receive(has_body=method != "HEAD")
        return answer.status, answer.body

    def open_archives(self) -> int:
        """How many archives the worker has open."""
        files = self.server.worker().open_files()
        return sum("/games/" in file.path and file.path.endswith(".zip") for file in files)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    data_dir = tmp_path_factory.mktemp("games") / "data"
    with running(data_dir, "alice") as server:
        with server.services() as services:
            paths = [
                f"/game-zip/{add_archive(services, data_dir, make_zip(MEMBERS, method), game_data_id=method + 1)}"
                for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            ]
        yield Shelf(server, server.sign_in("alice"), *paths)


@pytest.fixture(params=["stored", "deflated"])
def base(request: pytest.FixtureRequest, shelf: Shelf) -> str:
    path: str = getattr(shelf, request.param)
    return path


@pytest.mark.parametrize(
    "suffix",
    [
        "/../../secret_key",
        "/..%2f..%2fsecret_key",
        "/%2e%2e/%2e%2e/secret_key",
        "/%2e%2e%2f%2e%2e%2fsecret_key",
        "/..%5c..%5csecret_key",
        "/x/../x",
        "/./x",
        "//x",
        "/%2fx",
        pytest.param("/x%00", marks=pytest.mark.one_machine("nginx refuses a NUL by itself")),
        "/x/",
        "/x%20",
        "//etc/passwd",
        "/..;/x",
        "/%252e%252e/secret_key",
    ],
)
def test_paths_that_point_elsewhere_are_404(shelf: Shelf, base: str, suffix: str) -> None:
    status, body = shelf.ask(base + suffix)
    assert (status, json.loads(body)) == (404, {"detail": "Not found"})
    assert shelf.ask(f"{base}/x") == (200, b"x")


def test_two_slashes_are_answered_at_once(shelf: Shelf) -> None:
    for scheme in ("http", "https"):
        assert shelf.ask(f"/game-zip/{scheme}://example.com/a.html?v=1") == (200, b"<p>hello")


@pytest.mark.parametrize("name", ["large.bin", "zeros.bin"])
def test_a_large_member_is_whole_and_so_is_each_range(shelf: Shelf, base: str, name: str) -> None:
    data = MEMBERS[name]
    assert shelf.ask(f"{base}/{name}") == (200, data)
    assert shelf.ask(f"{base}/{name}", "Range: bytes=20000000-20999999") == (206, data[20_000_000:21_000_000])


def test_heads_are_those_of_the_contract(shelf: Shelf, base: str) -> None:
    with BareClient(shelf.server, shelf.session) as client:
        client.send_head("GET", f"{base}/large.bin")
        status, headers = client.receive_head()
    assert (status, headers["content-length"], headers["connection"]) == (200, str(len(LARGE)), "keep-alive")
    assert not {"transfer-encoding", "content-encoding"} & headers.keys()


def test_the_connection_goes_on_after_a_member(shelf: Shelf, base: str) -> None:
    with BareClient(shelf.server, shelf.session) as client:
        for _ in range(2):
            client.send_head("GET", f"{base}/large.bin", "Range: bytes=5-2000000")
            client.send_head("HEAD", f"{base}/zeros.bin")
            assert client.receive().body == LARGE[5:2_000_001]
            assert client.receive(has_body=False).headers["content-length"] == str(len(ZEROS))


@pytest.mark.one_machine("it watches what one process has open")
def test_clients_that_vanish_leave_no_archive_open(shelf: Shelf, base: str) -> None:
    clients = [BareClient(shelf.server, shelf.session, receive_buffer=4096) for _ in range(20)]
    for client in clients:
        client.send_head("GET", f"{base}/large.bin")
        assert client.receive_head()[0] == 200
    assert shelf.open_archives() >= len(clients)
    for client in clients:
        client.reset()
    wait_until(lambda: shelf.open_archives() == 0)
    assert shelf.ask(f"{base}/x") == (200, b"x")


@pytest.mark.one_machine("it measures one process")
def test_inflating_for_many_holds_nobody_up(shelf: Shelf) -> None:
    with ThreadPoolExecutor(8) as pool:
        downloads = [pool.submit(shelf.ask, f"{shelf.deflated}/zeros.bin") for _ in range(8)]
        waits = []
        while not all(each.done() for each in downloads):
            waits.append(requests.get(f"{shelf.server.url}/healthz", timeout=30).elapsed.total_seconds())
        assert [each.result() == (200, ZEROS) for each in downloads] == [True] * 8
    assert sorted(waits)[len(waits) // 2] < 1
    assert shelf.open_archives() == 0
