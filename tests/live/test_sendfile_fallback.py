"""Sending a file where the kernel cannot do it alone: over TLS, and without support for sendfile(2)."""

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests

from tests.live.bare_socket import BareClient
from tests.live.nginx import make_certificate
from tests.live.server import LiveServer, adapted_config, started, wait_until

pytestmark = [pytest.mark.measured, pytest.mark.one_machine("it watches one process send a file of its disk")]

MEBIBYTE = 1024 * 1024
DATA = np.random.default_rng(7).bytes(12 * MEBIBYTE)
IMPATIENT = [
    "import os",
    "import transfer_service.server.worker as tested",
    "assert tested.STALLED_AFTER_SECONDS == 60",
    "tested.STALLED_AFTER_SECONDS = 1.0",
]
PATCHES = {
    "no-such-call": f"""
def limited(*_):
    raise OSError({errno.ENOSYS}, "no such call")
os.sendfile = limited""",
    "not-from-everywhere": f"""
real = os.sendfile
def limited(target, source, offset, count):
    if offset > 3_000_000:
        raise OSError({errno.EINVAL}, "not from here on")
    return real(target, source, offset, min(count, 700_001))
os.sendfile = limited""",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the instances have their data, one after the other."""
    folder = tmp_path_factory.mktemp("limited")
    LiveServer(folder / "data").prepare("alice")
    return folder


@pytest.fixture(scope="module", params=["tls", *PATCHES])
def limited(folder: Path, request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    """An instance that has to read the file and send it by itself, at least in part."""
    name, certificate = request.param, None
    if name == "tls":
        make_certificate(folder / "tls")
        certificate, key = folder / "tls/fullchain.pem", folder / "tls/privkey.pem"
        patch = f"certfile, keyfile = {str(certificate)!r}, {str(key)!r}"
    else:
        patch = PATCHES[name]
    config = adapted_config(folder / f"{name}.py", *IMPATIENT, patch)
    with started(LiveServer(folder / "data", config=config, certificate=certificate)) as server:
        yield server


@pytest.fixture(scope="module")
def reader(limited: LiveServer) -> requests.Session:
    """`alice`, without a connection that stays open."""
    session = limited.sign_in("alice")
    session.close()
    session.headers["Connection"] = "close"
    return session


@pytest.fixture(scope="module")
def stored(limited: LiveServer, reader: requests.Session) -> str:
    """The path of DATA."""
    return limited.store(reader, "data.bin", DATA)


def connect(server: LiveServer, session: requests.Session, *, receive_buffer: int | None = None) -> BareClient:
    return BareClient(server, session, receive_buffer=receive_buffer, certificate=server.certificate)


@pytest.mark.parametrize(("headers", "expected"), [
    pytest.param([], DATA, id="whole"),
    pytest.param(["Range: bytes=1000-4999999"], DATA[1000:5_000_000], id="range"),
    pytest.param(["Range: bytes=12000000-"], DATA[12_000_000:], id="tail"),
    pytest.param(["Range: bytes=-1"], DATA[-1:], id="last"),
])  # fmt: skip
def test_a_body_is_exact_and_the_connection_goes_on(
    limited: LiveServer, reader: requests.Session, stored: str, headers: list[str], expected: bytes
) -> None:
    with connect(limited, reader) as client:
        client.send_head("GET", stored, *headers)
        is_exact = client.receive().body == expected
        client.send_head("HEAD", stored)
        head = client.receive(has_body=False)
        client.send_head("GET", "/healthz")
        assert is_exact
        assert (head.status, head.headers["content-length"]) == (200, str(len(DATA)))
        assert client.receive().json == {"status": "ok"}


def test_a_client_that_stops_reading_is_dropped(limited: LiveServer, reader: requests.Session, stored: str) -> None:
    log_bytes = limited.log_path.stat().st_size
    with connect(limited, reader, receive_buffer=4096) as client:
        client.send_head("GET", stored)
        client.receive_head()
        wait_until(limited.holds_nothing)
        with pytest.raises((ConnectionError, AssertionError)):  # fewer bytes than were announced
            client.discard(len(DATA))
    assert '"level": "error"' not in limited.log_path.read_text()[log_bytes:]


def test_a_client_that_vanishes_leaves_nothing_open(limited: LiveServer, reader: requests.Session, stored: str) -> None:
    log_bytes = limited.log_path.stat().st_size
    client = connect(limited, reader, receive_buffer=4096)
    client.send_head("GET", stored)
    client.receive_head()
    client.reset()
    wait_until(limited.holds_nothing)
    assert '"level": "error"' not in limited.log_path.read_text()[log_bytes:]
