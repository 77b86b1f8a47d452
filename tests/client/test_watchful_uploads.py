"""What the client believes of a service that takes a file: no other name, no other bytes, no other place."""

import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from transfer_service_client.connection.credentials import Key
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import DigestMismatch, FileChanged, TransferError, Unavailable
from transfer_service_client.models import File
from transfer_service_client.progress import Silent
from transfer_service_client.uploads import large_uploads, uploads
from transfer_service_client.uploads.local_source import LocalSource
from transfer_service_client.uploads.tus import TusRequests
from transfer_service_client.uploads.uploads import Uploader

from tests.client.tus_service import TusService

KIB = 1024
DATA = random.Random(3).randbytes(700 * KIB + 5)
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files of some hundred kilobytes are large, and the state is a test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(uploads, "SMALL_BYTES", 16 * KIB)
    monkeypatch.setattr(large_uploads, "_LAST_BYTES", 64 * KIB)
    monkeypatch.setattr(large_uploads, "_FIRST_PIECE", 128 * KIB)


@pytest.fixture
def service() -> TusService:
    return TusService()


@pytest.fixture
def session(service: TusService) -> Iterator[Session]:
    with Session("http://service.example", Key("tsk_x"), patience_seconds=300, verify=False) as session:
        session._http = httpx.Client(base_url=session.url, transport=httpx.MockTransport(service.answer))
        yield session


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(DATA)
    return path


def _there(name: str) -> File:
    now = datetime.now(UTC)
    return File("f", name, len(DATA), "video/mp4", SHA256, is_complete=True, created_at=now, updated_at=now)


def test_a_large_file_under_another_name_is_told(service: TusService, session: Session, film: Path) -> None:
    def rename(_: httpx.Request) -> None:
        service.names["u0"] = "other.mp4"

    service.faults = [rename]
    with pytest.raises(TransferError, match="under another name: other"):
        Uploader(session, "account").upload(film, "film.mp4")


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"sha256": "0" * 64}, DigestMismatch),
        ({"filename": "other"}, TransferError),
        ({"sha256": None}, DigestMismatch),
        ({"file_id": "left out"}, TransferError),
    ],
    ids=str,
)
def test_a_small_file_that_became_another_is_told(
    service: TusService, session: Session, tmp_path: Path, fields: dict[str, object], kind: type[TransferError]
) -> None:
    (tmp_path / "note").write_bytes(b"hello")
    good = {"file_id": "f", "filename": "note", "sha256": hashlib.sha256(b"hello").hexdigest()}
    told = {name: value for name, value in {**good, **fields}.items() if value != "left out"}
    service.faults = [lambda _: httpx.Response(201, json=told)]
    with pytest.raises(kind):
        Uploader(session, "account").upload(tmp_path / "note", "note")


@pytest.mark.parametrize("location", ["", "/api/uploads/", "/api/uploads/a%20b", "http://elsewhere.example/?u0"])
def test_a_place_that_is_none_is_told(session: Session, location: str) -> None:
    created = httpx.MockTransport(lambda _: httpx.Response(201, headers={"Location": location}))
    session._http = httpx.Client(base_url=session.url, transport=created)
    with pytest.raises(TransferError, match="did not tell where"):
        TusRequests(session).create("film.mp4", 5)


@pytest.mark.parametrize("arrives", [16 * KIB, 0], ids=["some-bytes", "nothing"])
def test_patience_begins_anew_with_each_byte_that_arrives(
    service: TusService, session: Session, film: Path, arrives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr("transfer_service_client.connection.patience.time", clock)
    cut = service.cut_after(arrives)

    def late(request: httpx.Request) -> httpx.Response | None:
        now[0] += 200  # of the 300 seconds
        return cut(request)

    service.faults = [late] * 10
    if arrives:
        Uploader(session, "account").upload(film, "film.mp4")
        assert service.files["film.mp4"] == DATA
    else:
        with pytest.raises(Unavailable):
            Uploader(session, "account").upload(film, "film.mp4")


def test_what_a_killed_run_has_left_goes_once_the_bytes_are_there(session: Session, film: Path, tmp_path: Path) -> None:
    uploader = Uploader(session, "account")
    with LocalSource(film) as source, uploader._state(source, "film.mp4") as state:
        state.write("u0")
    assert not uploader.upload(film, "film.mp4", _there("film.mp4")).was_sent
    assert list((tmp_path / "state").rglob("*.json")) == []


def test_a_file_that_changes_while_it_is_compared_is_not_taken_for_the_same(session: Session, film: Path) -> None:
    class Writes(Silent):
        def begin(self, _name: str, _size: int) -> None:
            film.write_bytes(DATA)

    film.write_bytes(bytes(len(DATA)))
    with pytest.raises(FileChanged):
        Uploader(session, "account", progress=Writes()).upload(film, "film.mp4", _there("film.mp4"))
