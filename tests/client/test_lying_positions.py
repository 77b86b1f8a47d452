"""Uploads to a service that takes bytes and tells that it is somewhere else."""

import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from transfer_service_client.connection.credentials import Key
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import Unavailable
from transfer_service_client.uploads import large_uploads, uploads
from transfer_service_client.uploads.uploads import Uploader

from tests.client.tus_service import TusService

DATA = random.Random(1).randbytes(700 * 1024 + 5)


@pytest.fixture
def service() -> TusService:
    return TusService()


@pytest.fixture
def uploader(service: TusService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploader]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(uploads, "SMALL_BYTES", 16 * 1024)
    monkeypatch.setattr(large_uploads, "_LAST_BYTES", 64 * 1024)
    monkeypatch.setattr(large_uploads, "_FIRST_PIECE", 128 * 1024)
    (tmp_path / "film.mp4").write_bytes(DATA)
    with Session("http://service.example", Key("tsk_x"), patience_seconds=2, verify=False) as session:
        session._http = httpx.Client(base_url=session.url, transport=httpx.MockTransport(service.answer))
        yield Uploader(session, "account")


def _told(offset: int) -> httpx.Response:
    return httpx.Response(204, headers={"Upload-Offset": str(offset), "Tus-Resumable": "1.0.0"})


def test_one_that_gets_no_further_ends_with_the_patience(
    uploader: Uploader, service: TusService, tmp_path: Path
) -> None:
    service.faults = [lambda request: _told(int(request.headers["Upload-Offset"]))] * 1000
    with pytest.raises(Unavailable, match="further"):
        uploader.upload(tmp_path / "film.mp4", "film.mp4")
    assert len(service.faults) > 950


@pytest.mark.parametrize("offset", [len(DATA) + 1, 2**62])
def test_one_that_is_past_the_end_is_asked_again(
    uploader: Uploader, service: TusService, tmp_path: Path, offset: int
) -> None:
    service.faults = [None, lambda _: _told(offset)]
    uploader.upload(tmp_path / "film.mp4", "film.mp4")
    assert service.files == {"film.mp4": DATA}
