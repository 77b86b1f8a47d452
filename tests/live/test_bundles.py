"""Bundles over real servers: ranges, resumed downloads, kills, clients that stop reading, nginx, an object store."""

import hashlib
import io
import os
import random
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import requests
from urllib3.exceptions import HTTPError

from benchmarks.bundles import add_files
from benchmarks.object_store import ObjectStoreServer
from tests.conftest import SECRET
from tests.live.nginx import FRONTED, behind_nginx
from tests.live.server import LiveServer, running_one, started, wait_until
from tests.storage.zip_readers import program

MEBIBYTE = 1024 * 1024
DATA = {
    f"{number:02} {size}.bin": random.Random(number).randbytes(size)
    for number, size in enumerate([0, 1, 100, 65_535, 65_536, 65_537, 300_000, 3 * MEBIBYTE, 5, 9 * MEBIBYTE, 70_000])
}


class Site(NamedTuple):
    """A server, its account, and a bundle of everything, whose bytes are `whole`."""

    server: LiveServer
    alice: requests.Session
    ids: dict[str, str]
    url: str
    whole: bytes

    def bundle(self, *names: str) -> dict[str, Any]:
        """A bundle of some files."""
        answer = self.alice.post(
            f"{self.server.url}/api/bundles", json={"file_ids": [self.ids[name] for name in names]}, timeout=30
        )
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


@pytest.fixture(scope="module", params=["disk", "object store"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, settings = tmp_path_factory.mktemp("bundles") / "data", {"SECRET_KEY": SECRET}
    if request.param == "object store":
        store: ObjectStoreServer = request.getfixturevalue("object_store_server")
        folder.mkdir()
        settings["TRANSFER_STORAGE_URL"] = store.new_url()
        settings["TRANSFER_DATABASE_URL"] = f"sqlite:///{folder / 'shared.sqlite3'}"
    with running_one(folder, "alice", **settings) as server:
        alice = server.sign_in("alice")
        ids = {name: server.store(alice, name, data).split("/")[-2] for name, data in DATA.items()}
        site = Site(server, alice, ids, "", b"")
        url = site.bundle(*DATA)["url"]
        yield site._replace(url=url, whole=requests.get(url, timeout=60).content)


def at(url: str, base: str) -> str:
    """The same address at another server."""
    return base + url.removeprefix("{0.scheme}://{0.netloc}".format(urlsplit(url)))


def contents(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def test_it_is_every_file_and_no_connection_ends_with_it(site: Site) -> None:
    assert contents(site.whole) == DATA
    with requests.Session() as session:
        for _ in range(3):  # on one connection
            answer = session.get(site.url, timeout=60)
            assert (answer.content, answer.headers["Connection"]) == (site.whole, "keep-alive")
            assert "Transfer-Encoding" not in answer.headers


def test_random_ranges_by_curl_are_parts_of_the_whole(site: Site) -> None:
    chance, length = random.Random(4), len(site.whole)
    spans = [(0, 0), (length - 1, length - 1), (length - 22, length - 1), (0, length - 1)]
    for _ in range(25):
        start = chance.randrange(length)
        spans.append((start, chance.randint(start, min(start + 4 * MEBIBYTE, length - 1))))
    for start, last in spans:
        got = subprocess.run(
            [program("curl"), "-sSf", "-r", f"{start}-{last}", site.url], capture_output=True, check=True, timeout=60
        ).stdout
        assert got == site.whole[start : last + 1]


def test_several_ranges_in_one_answer(site: Site) -> None:
    length = len(site.whole)
    header = f"bytes=5-2000000,{length // 2}-{length // 2 + 500_000},-100"
    answer = requests.get(site.url, headers={"Range": header}, timeout=60)
    assert answer.status_code == 206
    for part in (site.whole[5:2_000_001], site.whole[length // 2 : length // 2 + 500_001], site.whole[-100:]):
        assert part in answer.content


def test_aria2_fetches_it_by_four_connections_and_goes_on_where_it_was_stopped(site: Site, tmp_path: Path) -> None:
    command = [program("aria2c"), "--no-conf", "-x4", "-s4", "-k1M", "-q", "--auto-file-renaming=false", "-c"]
    command += ["-d", str(tmp_path), "-o", "files.zip", site.url]
    slowly = subprocess.Popen([*command[:-1], "--max-overall-download-limit=2M", site.url])
    target = tmp_path / "files.zip"
    wait_until(lambda: target.exists() and target.stat().st_blocks * 512 > 2 * MEBIBYTE)
    slowly.terminate()  # killed it would not have noted what it has
    slowly.wait()
    assert (tmp_path / "files.zip.aria2").exists()
    subprocess.run(command, check=True, timeout=60)
    assert target.read_bytes() == site.whole


def test_it_goes_on_at_another_instance_after_a_kill(site: Site) -> None:
    with started(LiveServer(site.server.data_dir, site.server.environment)) as other:
        first = requests.get(at(site.url, other.url), timeout=60, stream=True)
        etag, begin = first.headers["ETag"], first.raw.read(5 * MEBIBYTE)
        other.kill()
        with suppress(HTTPError, OSError):
            begin += first.raw.read(MEBIBYTE)  # what was on its way
    rest = requests.get(site.url, headers={"Range": f"bytes={len(begin)}-", "If-Range": etag}, timeout=60)
    assert (rest.status_code, begin + rest.content) == (206, site.whole)


def test_a_client_that_stops_reading_costs_no_memory_and_no_one_elses_time(site: Site) -> None:
    address = urlsplit(site.url)
    before = site.server.worker().memory_info().rss
    idle = []
    for _ in range(20):
        connection = socket.create_connection((address.hostname, address.port or 80))
        connection.sendall(f"GET {address.path}?{address.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        idle.append(connection)
    time.sleep(1)
    assert requests.get(site.url, timeout=60).content == site.whole
    grown = site.server.worker().memory_info().rss - before
    for connection in idle:
        connection.close()
    wait_until(lambda: not site.server.holds_file())
    assert grown < 20 * 25 * MEBIBYTE / 2  # of 12 MiB each had less than half, and on a disk next to nothing


def test_a_file_that_goes_meanwhile_closes_the_connection_and_sends_no_other_byte(site: Site) -> None:
    names = [f"gone {number}.bin" for number in range(6)]
    content = os.urandom(4 * MEBIBYTE)
    for name in names:
        site.ids[name] = site.server.store(site.alice, name, content).split("/")[-2]
    url = site.bundle(*names)["url"]
    whole = requests.get(url, timeout=60).content
    with slow_reader(url) as read:
        got = read(MEBIBYTE)
        for name in names[2:]:
            assert site.alice.delete(f"{site.server.url}/api/files/{name}", timeout=30).status_code == 200
        got += read(len(whole))
    assert got == whole[: len(got)]
    assert len(got) < len(whole)
    assert requests.get(url, timeout=30).status_code == 403
    assert requests.get(site.url, timeout=60).content == site.whole


@contextmanager
def slow_reader(url: str) -> Iterator[Any]:
    """A connection with little room; what is given reads so many bytes of the body, or to its end."""
    address = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    connection.settimeout(60)
    connection.connect((address.hostname, address.port))
    connection.sendall(f"GET {address.path}?{address.query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    left = b""
    while b"\r\n\r\n" not in left:
        left += connection.recv(4096)
    left = left.partition(b"\r\n\r\n")[2]

    def read(size: int) -> bytes:
        nonlocal left
        blocks, count = [left], len(left)
        left = b""
        while count < size:
            try:
                block = connection.recv(min(65_536, size - count))
            except ConnectionError:
                break
            if not block:
                break
            blocks.append(block)
            count += len(block)
        return b"".join(blocks)

    with connection:
        yield read


def test_a_hundred_at_once_are_all_right(site: Site) -> None:
    url = site.bundle(*list(DATA)[:9])["url"]
    whole = requests.get(url, timeout=60).content

    def fetch(number: int) -> bool:
        start = number * len(whole) // 100
        answer = requests.get(url, headers={"Range": f"bytes={start}-"}, timeout=120)
        return answer.content == whole[start:]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(fetch, range(100)))


def test_through_nginx_it_is_the_same(site: Site) -> None:
    with (
        started(LiveServer(site.server.data_dir, {**site.server.environment, **FRONTED})) as backend,
        behind_nginx(backend) as front,
    ):
        for base in (front.url, front.tls_url):
            url = at(site.url, base)
            verify = str(front.certificate)
            whole = requests.get(url, timeout=60, verify=verify)
            assert (whole.content, whole.headers["Content-Length"]) == (site.whole, str(len(site.whole)))
            part = requests.get(
                url, headers={"Range": "bytes=1000000-3999999", "If-Range": whole.headers["ETag"]}, timeout=60,
                verify=verify,
            )  # fmt: skip
            assert (part.status_code, part.content) == (206, site.whole[1_000_000:4_000_000])
            assert requests.head(url, timeout=60, verify=verify).headers["ETag"] == whole.headers["ETag"]


def test_the_log_tells_what_was_sent_and_no_signature(site: Site) -> None:
    requests.get(site.url, timeout=60)
    signature = site.url.rpartition("signature=")[2]
    log = site.server.log_path.read_text()
    assert signature not in log
    assert f'"sent_bytes":{len(site.whole)}' in log.replace(" ", "")


@pytest.mark.alone
@pytest.mark.one_machine("its files are names on one disk")
def test_ten_thousand_files_begin_at_once_and_need_no_memory(tmp_path: Path) -> None:
    with running_one(tmp_path / "data", "alice", SECRET_KEY=SECRET) as server:
        alice = server.sign_in("alice")
        with server.services() as services:
            account_id = services.accounts.get("alice").account_id
            names = [f"{number:05} {'n' * 200}.bin" for number in range(10_000)]
            blobs = services.core.settings.blob_dir
            ids = list(map(str, add_files(services, blobs, account_id, names, os.urandom(3000))))
        made = alice.post(f"{server.url}/api/bundles", json={"file_ids": ids, "name": "many"}, timeout=60)
        assert made.status_code == 201, made.text
        url, size = made.json()["url"], made.json()["size"]
        requests.get(url, headers={"Range": "bytes=0-0"}, timeout=60)
        before, first = server.worker().memory_info().rss, []
        hasher = hashlib.sha256()
        for start in (0, 0, size // 2, size - 100):
            began = time.monotonic()
            answer = requests.get(url, headers={"Range": f"bytes={start}-"}, stream=True, timeout=60)
            blocks = answer.iter_content(65_536)
            hasher.update(next(blocks))
            first.append(time.monotonic() - began)
            assert answer.status_code == 206
            assert sum(map(len, blocks)) < size
        assert min(first) < 1.0  # alone it is a twentieth of that
        whole = requests.get(url, timeout=120).content
        grown = server.worker().memory_info().rss - before
        assert len(whole) == size
        assert grown < 32 * MEBIBYTE
        with zipfile.ZipFile(io.BytesIO(whole)) as opened:
            assert len(opened.namelist()) == 10_000
            assert opened.testzip() is None
