"""Sending a file over a real socket: to clients that are slow, stop, vanish or ask for more at once."""

import hashlib
import time
from collections.abc import Iterator

import numpy as np
import pytest
import requests

from tests.live.bare_socket import BareClient
from tests.live.server import LiveServer, adapted_config, started, wait_until

pytestmark = [pytest.mark.measured, pytest.mark.one_machine("it watches one process send a file of its disk")]

MEBIBYTE = 1024 * 1024
DATA = np.random.default_rng(6).bytes(24 * MEBIBYTE)  # much more than the buffers of a socket
LIMIT_SECONDS, CONNECTIONS = 1.0, 60
IMPATIENT = [
    "import transfer_service.server.worker as tested",
    "assert tested.STALLED_AFTER_SECONDS == 60",
    f"tested.STALLED_AFTER_SECONDS = {LIMIT_SECONDS}",
    f"worker_connections = {CONNECTIONS}",
]
BODIES = [pytest.param([], id="whole"), pytest.param(["Range: bytes=1-5,9-25000000"], id="several-ranges")]


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """An instance that waits only a second for a client that stops reading, and has room for few connections."""
    folder = tmp_path_factory.mktemp("impatient")
    server = LiveServer(folder / "data", config=adapted_config(folder / "gunicorn.py", *IMPATIENT))
    server.prepare("alice")
    with started(server):
        yield server


@pytest.fixture(scope="module")
def reader(impatient: LiveServer) -> requests.Session:
    """`alice` at `impatient`, without a connection that stays open."""
    session = impatient.sign_in("alice")
    session.close()
    session.headers["Connection"] = "close"
    return session


@pytest.fixture(scope="module")
def stored(impatient: LiveServer, reader: requests.Session) -> str:
    """The path of DATA at `impatient`."""
    return impatient.store(reader, "data.bin", DATA)


def test_a_slow_reader_that_never_stops_gets_every_byte(
    impatient: LiveServer, reader: requests.Session, stored: str
) -> None:
    received, started = bytearray(), time.monotonic()  # read far slower than the kernel's buffers let the service send
    with BareClient(impatient, reader, receive_buffer=4096) as client:
        client.send_head("GET", stored)
        client.receive_head()
        received += client.take_buffered()
        while time.monotonic() < started + 2.5 * LIMIT_SECONDS:
            received += client.socket.recv(8192)
            time.sleep(0.05)
        while len(received) < len(DATA) and (block := client.socket.recv(MEBIBYTE)):
            received += block
    assert (len(received), hashlib.sha256(received).digest()) == (len(DATA), hashlib.sha256(DATA).digest())


@pytest.mark.parametrize("headers", BODIES)
def test_a_client_that_stops_reading_is_dropped_and_nothing_stays_open(
    impatient: LiveServer, reader: requests.Session, stored: str, headers: list[str]
) -> None:
    with BareClient(impatient, reader, receive_buffer=4096) as client:
        client.send_head("GET", stored, *headers)
        client.receive_head()
        wait_until(impatient.holds_nothing)
        with pytest.raises((ConnectionError, AssertionError)):  # fewer bytes than were announced
            client.discard(20 * MEBIBYTE)


@pytest.mark.parametrize("headers", BODIES)
def test_clients_that_vanish_in_mid_body_leave_nothing_open(
    impatient: LiveServer, reader: requests.Session, stored: str, headers: list[str]
) -> None:
    descriptors = []
    for _ in range(3):  # as many as there are connections at once, so lost greenlets would keep the last round out
        _vanish_at_once(CONNECTIONS - 10, impatient, reader, stored, headers)
        wait_until(impatient.holds_nothing)
        descriptors.append(impatient.worker().num_fds())
    assert descriptors[2] <= descriptors[1]  # the first round opens the database's pool
    assert reader.get(impatient.url + stored, timeout=30).content == DATA


def _vanish_at_once(count: int, server: LiveServer, session: requests.Session, path: str, headers: list[str]) -> None:
    clients = [BareClient(server, session, receive_buffer=4096) for _ in range(count)]
    for client in clients:
        client.send_head("GET", path, *headers)
    for client in clients:
        assert client.receive_head()[0] in {200, 206}
    for client in clients:
        client.reset()


def test_an_empty_file_is_sent_and_the_connection_goes_on(impatient: LiveServer, reader: requests.Session) -> None:
    path = impatient.store(reader, "empty.bin", b"")
    with BareClient(impatient, reader) as client:
        client.send_head("GET", path)
        empty = client.receive()
        client.send_head("GET", "/healthz")
        assert (empty.status, empty.headers["content-length"], empty.body) == (200, "0", b"")
        assert client.receive().status == 200


def test_head_sends_no_body_and_the_connection_goes_on(
    impatient: LiveServer, reader: requests.Session, stored: str
) -> None:
    with BareClient(impatient, reader) as client:
        client.send_head("HEAD", stored)
        head = client.receive(has_body=False)
        client.send_head("GET", "/healthz")
        assert (head.status, head.headers["content-length"]) == (200, str(len(DATA)))
        assert client.receive().json == {"status": "ok"}


def test_requests_behind_a_download_are_answered_in_their_order(
    impatient: LiveServer, reader: requests.Session, stored: str
) -> None:
    with BareClient(impatient, reader) as client:
        client.send_head("GET", stored)
        client.send_head("GET", stored, "Range: bytes=3000000-3999999")
        client.send_head("HEAD", stored)
        client.send_head("GET", "/healthz")
        client.send_head("GET", stored, "Range: bytes=-7")
        assert hashlib.sha256(client.receive().body).digest() == hashlib.sha256(DATA).digest()
        assert client.receive().body == DATA[3_000_000:4_000_000]
        assert client.receive(has_body=False).headers["content-length"] == str(len(DATA))
        assert client.receive().json == {"status": "ok"}
        assert client.receive().body == DATA[-7:]
