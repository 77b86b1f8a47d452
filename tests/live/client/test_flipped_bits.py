"""Whatever byte is damaged, of requests or answers: the client repairs or tells it, and no wrong bytes get a name."""

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import requests
from transfer_service_client import TransferClient
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import TransferError
from transfer_service_client.uploads import large_uploads, uploads

from tests.conftest import PASSWORD
from tests.live.client.flipping import FlippingLine, Side, flipping_line
from tests.live.server import LiveServer, running
from tests.proofs import length

pytestmark = pytest.mark.long

KIB = 1024
SEED = 19
FLIPS = length(8, whole=500)
Move = Callable[[TransferClient, str, Path], None]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A length that was damaged has both sides wait for bytes that never come."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("transfer_service_client.connection.session._TIMEOUT", httpx.Timeout(2.0))
    monkeypatch.setattr("transfer_service_client.connection.session.SILENCE_SECONDS", 2.0)
    monkeypatch.setattr("transfer_service_client.connection.quick_requests._TIMEOUT_SECONDS", 2.0)
    monkeypatch.setattr(uploads, "SMALL_BYTES", 64 * KIB)
    monkeypatch.setattr(large_uploads, "_LAST_BYTES", 32 * KIB)
    monkeypatch.setattr(large_uploads, "_FIRST_PIECE", 64 * KIB)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("flips") / "data", "alice", TRANSFER_READ_TIMEOUT_SECONDS="2") as server:
        yield server


@pytest.fixture(scope="module")
def alice(site: LiveServer) -> requests.Session:
    return site.sign_in("alice")


def _key(site: LiveServer) -> str:
    with TransferClient(site.url) as client:
        return client.sign_in("alice", PASSWORD).access


def _put(client: TransferClient, name: str, path: Path) -> None:
    client.upload(path, to=name)


def _get(client: TransferClient, name: str, path: Path) -> None:
    client.download(name, path.with_suffix(".fetched"))


def _traffic(client: TransferClient, line: FlippingLine, move: Move, name: str, path: Path) -> dict[Side, int]:
    """How many bytes go over the line in either direction where none is damaged."""
    line.flip("server", -1, 0)
    move(client, name, path)
    path.with_suffix(".fetched").unlink(missing_ok=True)
    return dict(line.passed)


@pytest.mark.parametrize("size", [3 * KIB, 200 * KIB])
@pytest.mark.parametrize("toward", ["server", "client"])
@pytest.mark.parametrize("move", [_put, _get])
def test_a_flipped_byte_is_repaired_or_told(
    site: LiveServer, alice: requests.Session, tmp_path: Path, move: Move, toward: Side, size: int
) -> None:
    chance = random.Random(f"{SEED} {move.__name__} {toward} {size}")
    path, told = tmp_path / "here.bin", 0
    with flipping_line(site.port) as line:
        for number in range(FLIPS + 1):
            name = f"{move.__name__}-{toward}-{size}-{number}.bin"
            path.write_bytes(chance.randbytes(size))
            if move is _get:
                site.store(alice, name, path.read_bytes())
            with TransferClient(f"http://127.0.0.1:{line.port}", key=_key(site), patience_seconds=4) as client:
                if number == 0:
                    traffic = _traffic(client, line, move, name, path)
                    continue
                at, bits = _place(chance, traffic[toward]), 1 << chance.randrange(8)
                line.flip(toward, at, bits)
                try:
                    move(client, name, path)
                except TransferError:
                    told += 1
                    is_told = True
                else:
                    is_told = False
            why = f"byte {at} of {traffic[toward]} toward {toward}, bits {bits:#x}"
            _judge(alice, site, move, name, path, is_told=is_told, why=why)
    assert told < FLIPS  # most of it is repaired


def _place(chance: random.Random, count: int) -> int:
    """Heads are few bytes: half of the flips go to the first and last thousand."""
    edge = min(1000, count)
    return chance.choice([chance.randrange(count), chance.randrange(edge), count - 1 - chance.randrange(edge)])


def _judge(
    alice: requests.Session, site: LiveServer, move: Move, name: str, path: Path, *, is_told: bool, why: str
) -> None:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if move is _get:
        fetched = path.with_suffix(".fetched")
        assert fetched.exists() or is_told, why
        if fetched.exists():
            assert hashlib.sha256(fetched.read_bytes()).hexdigest() == sha256, why
            fetched.unlink()
        return
    there = alice.get(f"{site.url}/api/files/status/{name}", timeout=30).json()
    assert there["sha256"] == sha256 or (is_told and there["sha256"] is None), f"{why}: {there}"


def test_the_session_has_a_timeout_to_shorten() -> None:
    with Session("http://127.0.0.1:1", verify=False) as session:
        assert (session._http.timeout.read, session.silence_seconds) == (2.0, 2.0)
