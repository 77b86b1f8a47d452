"""Downloads of more than 4 GiB, where 32-bit numbers end, and many at once, directly and behind nginx."""

import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests
from sqlalchemy import update

from tests.live.bare_socket import BareClient, Listening
from tests.live.nginx import NginxSite, running_site
from tests.live.server import LiveServer, wait_until
from transfer_service.db.database import Database
from transfer_service.models.files import File, ReceivedRange

pytestmark = pytest.mark.one_machine("it measures one process, and has a sparse file")

MEMORY = Path("/dev/shm")
MEBIBYTE = 1024 * 1024
EDGE = 2**32
LENGTH = EDGE + 50 * MEBIBYTE
MARK = b"before the edge|behind the edge"
MARK_START = EDGE - 16


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxSite]:
    """In memory where there is a place for it: elsewhere a hole takes ten seconds until the kernel has filled it."""
    memory = MEMORY if os.access(MEMORY, os.W_OK) else tmp_path_factory.getbasetemp()
    with TemporaryDirectory(dir=memory) as folder, running_site(Path(folder) / "data", "alice") as site:
        yield site


@pytest.fixture(scope="module", params=["direct", "fronted"])
def door(site: NginxSite, request: pytest.FixtureRequest) -> Listening:
    """Where the clients connect to."""
    return site.direct if request.param == "direct" else site.front


@pytest.fixture(scope="module")
def session(site: NginxSite) -> requests.Session:
    """`alice`, at either door."""
    return site.direct.sign_in("alice")


@pytest.fixture(scope="module")
def huge(site: NginxSite, session: requests.Session) -> str:
    """The path of a file of LENGTH, all of it a hole but for MARK: made small, and then prolonged behind the API."""
    path = site.direct.store(session, "huge.bin", b"-")
    file_id = uuid.UUID(path.split("/")[3])
    with (site.direct.data_dir / "blobs" / file_id.hex[:2] / file_id.hex).open("r+b") as file:
        file.seek(MARK_START)
        file.write(MARK)
        file.truncate(LENGTH)
    _set_length(site.direct, file_id)
    return path


def _set_length(server: LiveServer, file_id: uuid.UUID) -> None:
    database = Database(f"sqlite:///{server.data_dir / 'transfer.sqlite3'}")
    lengths = {"length": LENGTH, "received_bytes": LENGTH, "reserved_bytes": LENGTH}
    with database.write() as rows:
        rows.execute(update(File).where(File.id == file_id).values(**lengths))
        rows.execute(update(ReceivedRange).where(ReceivedRange.file_id == file_id).values(stop=LENGTH))
    database.dispose()


@pytest.mark.parametrize(("value", "start", "stop", "expected"), [
    pytest.param(f"bytes={EDGE - 1}-{EDGE}", EDGE - 1, EDGE + 1, b"|b", id="across"),
    pytest.param(f"bytes={EDGE}-{EDGE + 14}", EDGE, EDGE + 15, b"behind the edge", id="behind"),
    pytest.param(f"bytes={EDGE - 16}-{EDGE - 2}", EDGE - 16, EDGE - 1, b"before the edge", id="before"),
    pytest.param(f"bytes=-{50 * MEBIBYTE}", EDGE, LENGTH, b"behind the edge", id="suffix"),
    pytest.param(f"bytes={LENGTH - 1}-", LENGTH - 1, LENGTH, b"\0", id="last"),
    pytest.param(f"bytes={MARK_START}-", MARK_START, LENGTH, MARK, id="resumed"),
    pytest.param(f"bytes=1-{LENGTH * 2}", 1, LENGTH, b"\0", id="nearly-all"),
])  # fmt: skip
def test_a_range_beyond_4_gib_is_exact(
    door: Listening, session: requests.Session, huge: str, value: str, start: int, stop: int, expected: bytes
) -> None:
    with BareClient(door, session) as client:
        client.send_head("GET", huge, f"Range: {value}")
        status, headers = client.receive_head()
        assert (status, headers["content-range"]) == (206, f"bytes {start}-{stop - 1}/{LENGTH}")
        assert headers["content-length"] == str(stop - start)
        assert client.take(len(expected)) == expected


def test_several_ranges_around_4_gib_are_exact(door: Listening, session: requests.Session, huge: str) -> None:
    with BareClient(door, session) as client:
        client.send_head("GET", huge, f"Range: bytes=0-1,{EDGE - 5}-{EDGE - 2},{EDGE}-{EDGE + 5},-1")
        answer = client.receive()
        parts = [part.partition(b"\r\n\r\n")[2] for part in answer.body.split(b"\r\n--")]
        assert parts[1:5] == [b"-\0", b"edge", b"behind", b"\0"]


def test_all_of_4_gib_arrive_and_the_connection_goes_on(door: Listening, session: requests.Session, huge: str) -> None:
    with BareClient(door, session) as client:
        client.send_head("GET", huge)
        _, headers = client.receive_head()
        client.discard(MARK_START)
        mark = client.take(len(MARK))
        client.discard(LENGTH - MARK_START - len(MARK))
        client.send_head("HEAD", huge)
        assert (headers["content-length"], mark) == (str(LENGTH), MARK)
        assert client.receive(has_body=False).headers["content-length"] == str(LENGTH)


def test_eight_fast_downloads_do_not_starve_a_small_request(
    door: Listening, session: requests.Session, huge: str
) -> None:
    with _readers(8, door, session, huge) as received, BareClient(door) as small:
        wait_until(lambda: min(received) > MEBIBYTE)
        for _ in range(20):
            small.send_head("GET", "/healthz")
            assert small.receive().status == 200
        before = list(received)
        wait_until(lambda: all(now > then for now, then in zip(received, before, strict=True)))
        assert max(received) < LENGTH  # none of them had ended before the small ones were answered


@contextmanager
def _readers(count: int, door: Listening, session: requests.Session, path: str) -> Iterator[list[int]]:
    """Clients that read as fast as they can until the block ends; how much each of them has got."""
    clients, received = [BareClient(door, session) for _ in range(count)], [0] * count
    stop = threading.Event()

    def read(index: int) -> None:
        clients[index].send_head("GET", path)
        clients[index].receive_head()
        with suppress(OSError):
            while not stop.is_set() and received[index] < LENGTH - 2 * MEBIBYTE:
                clients[index].discard(MEBIBYTE)
                received[index] += MEBIBYTE

    threads = [threading.Thread(target=read, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield received
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for client in clients:
            client.reset()
