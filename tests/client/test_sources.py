"""What is sent from elsewhere than a local file: bytes of any origin, and those whose digest the origin knows."""

import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from transfer_service_client.connection.credentials import Key
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import DigestMismatch
from transfer_service_client.models import File
from transfer_service_client.uploads import large_uploads, uploads
from transfer_service_client.uploads.sources import Source
from transfer_service_client.uploads.uploads import Uploader

from tests.client.tus_service import TusService

KIB = 1024
FILM = random.Random(1).randbytes(700 * KIB + 5)
SHA256 = hashlib.sha256(FILM).digest()


class Memory(Source):
    """Bytes in memory, and which of them were read."""

    def __init__(self, data: bytes, *, sha256: bytes | None = None) -> None:
        super().__init__(len(data), sha256=sha256)
        self.data = data
        self.reads: list[int] = []

    @property
    def identity(self) -> tuple[str | int, ...]:
        return "memory", self.size

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _read_into(self, start: int, data: memoryview) -> None:
        self.reads.append(start)
        data[:] = self.data[start : start + len(data)]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TusService:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(uploads, "SMALL_BYTES", 16 * KIB)
    monkeypatch.setattr(large_uploads, "_LAST_BYTES", 64 * KIB)
    monkeypatch.setattr(large_uploads, "_FIRST_PIECE", 128 * KIB)
    monkeypatch.setattr("transfer_service_client.connection.patience._FIRST_PAUSE_SECONDS", 0.001)
    return TusService()


@pytest.fixture
def uploader(service: TusService) -> Iterator[Uploader]:
    session = Session("http://service.example", Key("tsk_x"), patience_seconds=2, verify=False)
    session._http = httpx.Client(base_url=session.url, transport=httpx.MockTransport(service.answer))
    with session:
        yield Uploader(session, "account")


def _there(data: bytes) -> File:
    now = datetime.now(UTC)
    sha256 = hashlib.sha256(data).hexdigest()
    return File("f", "film", len(data), "video/mp4", sha256, is_complete=True, created_at=now, updated_at=now)


@pytest.mark.parametrize("sha256", [pytest.param(None, id="hashed"), pytest.param(SHA256, id="known")])
def test_bytes_of_any_origin_arrive_whole_over_a_broken_line(
    uploader: Uploader, service: TusService, sha256: bytes | None
) -> None:
    service.faults = [None, service.cut_after(50 * KIB)]
    with Memory(FILM, sha256=sha256) as source:
        sent = uploader.upload_source(source, "film")
    assert (sent.sha256, sent.was_sent) == (SHA256.hex(), True)
    assert service.files == {"film": FILM}


def test_of_a_known_digest_nothing_is_read_where_the_same_bytes_are_there(
    uploader: Uploader, service: TusService
) -> None:
    with Memory(FILM, sha256=SHA256) as source:
        assert not uploader.upload_source(source, "film", _there(FILM)).was_sent
    assert source.reads == []
    assert service.requests == []


def test_of_a_known_digest_what_an_earlier_run_sent_is_not_read_again(uploader: Uploader, service: TusService) -> None:
    def end(_: httpx.Request) -> httpx.Response:
        return httpx.Response(403, json={"detail": "No"})

    service.faults = [None, end]
    with Memory(FILM, sha256=SHA256) as source, pytest.raises(Exception, match="No"):
        uploader.upload_source(source, "film")
    with Memory(FILM, sha256=SHA256) as source:
        uploader.upload_source(source, "film")
    assert min(source.reads) == 128 * KIB
    assert service.files == {"film": FILM}


@pytest.mark.parametrize("size", [pytest.param(9, id="small"), pytest.param(len(FILM), id="large")])
def test_bytes_other_than_their_origin_promised_are_never_stored(
    uploader: Uploader, service: TusService, size: int
) -> None:
    with Memory(FILM[:size], sha256=bytes(32)) as source, pytest.raises(DigestMismatch):
        uploader.upload_source(source, "film")
    assert service.files == {}
