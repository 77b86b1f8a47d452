"""Links with a limit, against real servers: exact under parallel ranges, on SQLite and over two instances."""

import io
import os
import socket
import time
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.conftest import SECRET
from tests.live.server import LiveServer, killed, running_one, started, wait_until

CLIENTS, LIMIT, PARTS = 100, 10, 4
DATA = os.urandom(256 * 1024)
LARGE = os.urandom(24 * 1024 * 1024)


@dataclass(frozen=True)
class Site:
    """Instances of one installation, and its account `alice`."""

    servers: Sequence[LiveServer]
    alice: requests.Session

    @property
    def url(self) -> str:
        return self.servers[0].url

    def share(self, data: bytes, name: str, **fields: Any) -> dict[str, Any]:
        """A link to a new file."""
        file_id = self.servers[0].store(self.alice, name, data).split("/")[-2]
        answer = self.alice.post(f"{self.url}/api/links", json={"file_ids": [file_id], **fields}, timeout=30)
        assert answer.status_code == 201, answer.text
        link: dict[str, Any] = answer.json()
        return link

    def downloads(self, link: dict[str, Any]) -> int:
        """How many have begun."""
        found = self.alice.get(f"{self.url}/api/links/{link['id']}", timeout=30).json()
        return int(found["downloads"])


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One instance on SQLite, or two on PostgreSQL."""
    folder = tmp_path_factory.mktemp("links")
    with ExitStack() as stack:
        if request.param == "sqlite":
            servers = [stack.enter_context(running_one(folder / "data", "alice"))]
        else:
            url = _new_database(request.getfixturevalue("postgres_server"))
            settings = {"SECRET_KEY": SECRET, "TRANSFER_DATABASE_URL": url}
            servers = [LiveServer(folder / "data", settings) for _ in range(2)]
            servers[0].prepare("alice")
            for server in servers:
                stack.enter_context(started(server))
        yield Site(servers, servers[0].sign_in("alice"))


def _new_database(server: str) -> str:
    import psycopg

    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE links")
    return f"{server.replace('postgresql:', 'postgresql+psycopg:')}/links"


def fetch(server: LiveServer, path: str, value: str | None, *, client: int) -> tuple[int, bytes]:
    """The status and the bytes of a download by a client, which has an address of its own."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60, source_address=(f"127.0.1.{client}", 0))
    try:
        connection.request("GET", path, headers={"Range": value} if value else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def path_of(link: dict[str, Any]) -> str:
    """Where its file is."""
    return urlsplit(str(link["files"][0]["url"])).path


def test_a_hundred_clients_with_parallel_ranges_get_ten_whole_files(site: Site) -> None:
    link = site.share(DATA, "wanted.bin", max_downloads=LIMIT)
    size, servers = len(DATA) // PARTS, cycle(site.servers)
    asked = [(client, part, next(servers)) for part in range(PARTS) for client in range(1, CLIENTS + 1)]

    def ask(client: int, part: int, server: LiveServer) -> tuple[int, int, bytes]:
        status, body = fetch(server, path_of(link), f"bytes={part * size}-{(part + 1) * size - 1}", client=client)
        assert status in {206, 404}
        return client, part, body if status == 206 else b""

    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda each: ask(*each), asked))
    parts: dict[int, dict[int, bytes]] = {}
    for client, part, body in answers:
        parts.setdefault(client, {})[part] = body
    whole = [b"".join(got[part] for part in range(PARTS)) for got in parts.values()]
    assert sorted(map(len, whole)) == [0] * (CLIENTS - LIMIT) + [len(DATA)] * LIMIT
    assert whole.count(DATA) == LIMIT == site.downloads(link)


def test_a_crowd_that_asks_for_the_whole_gets_as_many_as_may_be(site: Site) -> None:
    link = site.share(DATA, "crowd.bin", max_downloads=3)
    servers = cycle(site.servers)
    with ThreadPoolExecutor(16) as pool:
        asked = [(next(servers), 1 + number % 2) for number in range(40)]
        answers = list(pool.map(lambda each: fetch(each[0], path_of(link), None, client=each[1]), asked))
    assert sorted(status for status, _ in answers) == [200] * 3 + [404] * 37
    assert [body for status, body in answers if status == 200] == [DATA] * 3


def test_archives_of_a_link_are_counted_like_files(site: Site) -> None:
    link = site.share(DATA, "in an archive.bin", max_downloads=3)
    path = urlsplit(str(link["url"])).path + "/zip"
    servers = cycle(site.servers)
    asked = [(next(servers), value, client) for value in ("bytes=0-99999", "bytes=100000-") for client in range(1, 21)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda each: (each[2], each[1], *fetch(each[0], path, each[1], client=each[2])), asked))
    served = {client for client, _, status, _ in answers if status == 206}
    assert len(served) == 3 == site.downloads(link)
    for client in served:
        parts = {value: body for each, value, _, body in answers if each == client}
        with zipfile.ZipFile(io.BytesIO(parts["bytes=0-99999"] + parts["bytes=100000-"])) as opened:
            assert [opened.read(name) for name in opened.namelist()] == [DATA]


def test_a_transfer_that_breaks_off_is_resumed_as_one_download(site: Site) -> None:
    link = site.share(LARGE, "large.bin", max_downloads=1)
    got = b""
    for server in [*site.servers, *site.servers, site.servers[0]]:
        got += _begin(server, path_of(link), len(got), read=2 * 1024 * 1024)
    got += _begin(site.servers[-1], path_of(link), len(got), read=len(LARGE))
    assert (got == LARGE, site.downloads(link)) == (True, 1)
    assert fetch(site.servers[0], path_of(link), "bytes=0-0", client=8)[0] == 404


def _begin(server: LiveServer, path: str, offset: int, *, read: int) -> bytes:
    """Ask for all from an offset on, read some of it and hang up.

    What was not sent of the request before is given back soon, and until then there is nothing to be had.
    """
    answers: list[tuple[bytes, bytes]] = []

    def ask() -> bool:
        answers.append(_ask_and_hang_up(server, path, offset, read=read))
        return b" 206 " in answers[-1][0]

    wait_until(ask)
    return answers[-1][1]


def _ask_and_hang_up(server: LiveServer, path: str, offset: int, *, read: int) -> tuple[bytes, bytes]:
    """The head of the answer, and so much of its body or all of it."""
    with socket.create_connection(("127.0.0.1", server.port), source_address=("127.0.1.7", 0)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes={offset}-\r\nConnection: close\r\n\r\n".encode()
        )
        data = b""
        while len(data) < read and (block := client.recv(65536)):
            data += block
    head, _, body = data.partition(b"\r\n\r\n")
    return head, body


def test_a_kill_in_the_middle_gives_nobody_more_and_the_client_goes_on(site: Site) -> None:
    link = site.share(LARGE, "killed.bin", max_downloads=1)
    server = site.servers[0]
    with socket.create_connection(("127.0.0.1", server.port), source_address=("127.0.1.7", 0)) as client:
        client.sendall(f"GET {path_of(link)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        got = b""
        while len(got) < 3_000_000:
            got += client.recv(65536)
        with killed(server):
            pass
    body = got.partition(b"\r\n\r\n")[2]
    others = [fetch(each, path_of(link), value, client=8)[0] for each in site.servers for value in (None, "bytes=0-9")]
    assert set(others) == {404}
    status, rest = fetch(site.servers[-1], path_of(link), f"bytes={len(body)}-", client=7)
    assert (status, body + rest == LARGE, site.downloads(link)) == (206, True, 1)


def test_nothing_sent_is_nothing_counted(site: Site) -> None:
    link = site.share(LARGE, "untouched.bin", max_downloads=1)
    connection = HTTPConnection("127.0.0.1", site.servers[0].port, timeout=30)
    connection.request("HEAD", path_of(link))
    assert connection.getresponse().status == 200
    connection.close()
    assert site.downloads(link) == 0


def test_a_link_that_is_taken_back_is_gone_everywhere_within_a_second(site: Site) -> None:
    link = site.share(DATA, "back.bin")
    for server in site.servers:
        assert fetch(server, path_of(link), None, client=1)[0] == 200
    assert site.alice.delete(f"{site.url}/api/links/{link['id']}", timeout=30).status_code == 204
    asked_at = time.monotonic()
    assert [fetch(server, path_of(link), None, client=1)[0] for server in site.servers] == [404] * len(site.servers)
    assert time.monotonic() - asked_at < 30


def test_a_link_that_expires_is_gone_everywhere_within_a_second(site: Site) -> None:
    link = site.share(DATA, "soon.bin", expires_in=10)
    assert [fetch(server, path_of(link), None, client=1)[0] for server in site.servers] == [200] * len(site.servers)
    ends_at = datetime.fromisoformat(link["expires_at"])
    time.sleep(max(0.0, (ends_at - datetime.now(UTC)).total_seconds()) + 1)
    assert [fetch(server, path_of(link), None, client=1)[0] for server in site.servers] == [404] * len(site.servers)


def test_no_log_holds_the_token_of_a_link(site: Site) -> None:
    link = site.share(DATA, "logged.bin", password="open sesame", max_downloads=1)
    token = link["url"].rpartition("/")[2]
    for path in ("", "/unlock", f"/files/{link['files'][0]['file_id']}", "/files/nothing", "/nothing"):
        for method in ("GET", "POST", "HEAD"):
            url = f"{site.url}/s/{token}{path}"
            requests.request(method, url, data="{", headers={"Referer": url, "Accept": "text/html"}, timeout=30)
    bad = f"GET /s/{token}/files/\xff HTTP/1.1\r\nHost: \x00\r\n\r\n".encode("latin-1")
    with socket.create_connection(("127.0.0.1", site.servers[0].port)) as client:
        client.sendall(bad)
        client.recv(1000)
    log = Path(site.servers[0].log_path).read_text()
    assert "/s/<token>/unlock" in log
    assert token not in log
