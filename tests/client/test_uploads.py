"""Uploads of the client against a service in memory: what is sent, and what happens after each fault."""

import hashlib
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from transfer_service_client.connection.credentials import Key
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import ApiError, Conflict, DigestMismatch, FileChanged, Stopped, Unavailable
from transfer_service_client.models import File
from transfer_service_client.progress import Silent
from transfer_service_client.uploads import large_uploads, uploads
from transfer_service_client.uploads.local_source import LocalSource
from transfer_service_client.uploads.upload_state import UploadState
from transfer_service_client.uploads.uploads import Uploader

from tests.client.tus_service import TusService

KIB = 1024


class Noted(Silent):
    """Where each transfer is."""

    def __init__(self) -> None:
        self.position = 0

    def advance(self, _name: str, count: int) -> None:
        self.position += count

    def restart(self, _name: str, position: int) -> None:
        self.position = position


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files of some hundred kilobytes are large, and the state is a test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(uploads, "SMALL_BYTES", 16 * KIB)
    monkeypatch.setattr(large_uploads, "_LAST_BYTES", 64 * KIB)
    monkeypatch.setattr(large_uploads, "_FIRST_PIECE", 128 * KIB)
    monkeypatch.setattr("transfer_service_client.connection.patience._FIRST_PAUSE_SECONDS", 0.001)


@pytest.fixture
def service() -> TusService:
    return TusService()


@pytest.fixture
def uploader(service: TusService) -> Iterator[Uploader]:
    with _session(service) as session:
        yield Uploader(session, "account", progress=Noted())


def _session(service: TusService) -> Session:
    session = Session(
        "http://service.example", Key("tsk_x"), patience_seconds=2, verify=False
    )  # to load no certificates
    session._http = httpx.Client(base_url=session.url, transport=httpx.MockTransport(service.answer))
    return session


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(random.Random(1).randbytes(700 * KIB + 5))
    return path


def _position(uploader: Uploader) -> int:
    assert isinstance(uploader.progress, Noted)
    return uploader.progress.position


def _state_files(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "state").rglob("*.json"))


def test_a_small_file_is_one_request(uploader: Uploader, service: TusService, tmp_path: Path) -> None:
    (tmp_path / "note").write_bytes(b"hello")
    sent = uploader.upload(tmp_path / "note", "a/note")
    assert (sent.name, sent.size, sent.was_sent) == ("a/note", 5, True)
    assert service.files == {"a/note": b"hello"}
    assert service.requests == [("PUT", 5)]


def test_a_small_file_that_was_damaged_is_sent_again(uploader: Uploader, service: TusService, tmp_path: Path) -> None:
    (tmp_path / "note").write_bytes(b"hello")
    service.faults = [service.damage(), service.damage()]
    uploader.upload(tmp_path / "note", "note")
    assert service.files == {"note": b"hello"}


def test_a_small_file_that_is_damaged_each_time_is_given_up(
    uploader: Uploader, service: TusService, tmp_path: Path
) -> None:
    (tmp_path / "note").write_bytes(b"hello")
    service.faults = [service.damage() for _ in range(3)]
    with pytest.raises(DigestMismatch):
        uploader.upload(tmp_path / "note", "note")
    assert service.files == {}


def test_a_large_file_goes_in_pieces_and_leaves_no_state(
    uploader: Uploader, service: TusService, film: Path, tmp_path: Path
) -> None:
    sent = uploader.upload(film, "film.mp4")
    assert service.files["film.mp4"] == film.read_bytes()
    assert sent.sha256 == hashlib.sha256(film.read_bytes()).hexdigest()
    assert [count // KIB for method, count in service.requests if method == "PATCH"] == [128, 508, 64]
    assert _position(uploader) == sent.size
    assert _state_files(tmp_path) == []


@pytest.mark.parametrize("kept", [0, 1, 77 * KIB, 128 * KIB])
def test_after_a_break_it_goes_on_where_the_service_is(
    uploader: Uploader, service: TusService, film: Path, kept: int
) -> None:
    service.faults = [service.cut_after(kept), None, service.cut_after(kept)]
    uploader.upload(film, "film.mp4")
    assert service.files["film.mp4"] == film.read_bytes()
    assert _position(uploader) == film.stat().st_size
    assert len(service.lengths) == 1


@pytest.mark.parametrize("status", [401, 408, 423, 429, 502, 503])
def test_a_refusal_that_passes_is_waited_for(
    uploader: Uploader, service: TusService, film: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "renew", lambda *_: True)
    service.faults = [None, lambda _: httpx.Response(status, json={"detail": "not now"})]
    uploader.upload(film, "film.mp4")
    assert service.files["film.mp4"] == film.read_bytes()


def test_a_refusal_that_stays_is_told_at_once(uploader: Uploader, service: TusService, film: Path) -> None:
    service.faults = [lambda _: httpx.Response(409, json={"detail": "A folder has this name"})]
    with pytest.raises(Conflict, match="A folder has this name"):
        uploader.upload(film, "film.mp4")


def test_a_service_that_stays_away_ends_the_patience(service: TusService, uploader: Uploader, film: Path) -> None:
    uploader.session.patience_seconds = 0.05
    service.faults = [lambda _: httpx.Response(503, json={"detail": "busy"}) for _ in range(500)]
    with pytest.raises(Unavailable, match="busy"):
        uploader.upload(film, "film.mp4")


def test_an_upload_that_is_gone_is_begun_anew(uploader: Uploader, service: TusService, film: Path) -> None:
    def expire(_: httpx.Request) -> None:
        service.uploads.clear()

    service.faults = [None, expire]
    uploader.upload(film, "film.mp4")
    assert service.files["film.mp4"] == film.read_bytes()
    assert len(service.lengths) == 2


def test_a_quick_line_gets_a_large_file_in_three_pieces(
    uploader: Uploader, service: TusService, tmp_path: Path
) -> None:
    """One to measure the line by, the bulk, and the one with the digest: each more costs the way there and back."""
    (tmp_path / "film").write_bytes(bytes(17 * 128 * KIB + 64 * KIB))
    uploader.upload(tmp_path / "film", "film")
    assert service.requests == [
        ("POST", 0),
        ("PATCH", 128 * KIB),
        ("PATCH", 16 * 128 * KIB),
        ("PATCH", 64 * KIB),
    ]


@pytest.mark.parametrize(
    ("seconds", "times"),
    [pytest.param(1, 16, id="quick"), pytest.param(4, 4, id="fair"), pytest.param(9, 1, id="slow")],
)
def test_a_piece_after_another_is_no_longer_than_the_line_takes_in_some_seconds(seconds: float, times: int) -> None:
    pieces = large_uploads.Pieces(is_checked=False)
    before = pieces.size
    pieces.arrived(before, seconds)
    assert pieces.size == times * before


def test_a_proxy_that_limits_bodies_gets_smaller_pieces(uploader: Uploader, service: TusService, film: Path) -> None:
    def limited(request: httpx.Request) -> httpx.Response | None:
        is_too_large = int(request.headers["Content-Length"]) > 100 * KIB
        return httpx.Response(413, html="<h1>413</h1>") if is_too_large else None

    service.faults = [limited] * 50
    uploader.upload(film, "film.mp4")
    assert service.files["film.mp4"] == film.read_bytes()


def test_a_proxy_that_holds_bodies_on_a_line_that_breaks_gets_smaller_pieces(
    uploader: Uploader, service: TusService, film: Path
) -> None:
    """Such a proxy passes nothing on before it has all: the same piece would break for ever."""
    lost = []

    def broken(request: httpx.Request) -> None:
        if int(request.headers["Content-Length"]) > 100 * KIB:
            lost.append(request)
            raise httpx.WriteError("broken")

    service.faults = [broken] * 50
    uploader.upload(film, "film.mp4")
    assert service.files["film.mp4"] == film.read_bytes()
    assert len(lost) < len(service.requests) / 2  # they grow again, but not to what is lost at once


def test_a_file_that_the_service_finds_too_large_is_refused(
    uploader: Uploader, service: TusService, film: Path
) -> None:
    service.faults = [lambda _: httpx.Response(413, json={"detail": "Storage quota exceeded"})]
    with pytest.raises(ApiError, match="Storage quota exceeded"):
        uploader.upload(film, "film.mp4")


def test_damage_is_found_at_the_end_and_then_piece_by_piece(
    uploader: Uploader, service: TusService, film: Path
) -> None:
    service.faults = [None, service.damage(), None, None, None, service.damage(), None]
    uploader.upload(film, "film.mp4")
    assert service.files == {"film.mp4": film.read_bytes()}
    assert service.cancelled == ["u0"]


def test_another_run_goes_on_with_the_upload(service: TusService, film: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    def stopping(_: httpx.Request) -> None:
        stop.set()

    with _session(service) as session, pytest.raises(Stopped):
        service.faults = [None, stopping]
        Uploader(session, "account", stop=stop).upload(film, "film.mp4")
    assert len(_state_files(tmp_path)) == 1
    there = len(service.uploads["u0"])
    assert there >= 128 * KIB
    service.requests.clear()
    with _session(service) as session:
        Uploader(session, "account").upload(film, "film.mp4")
    assert sum(count for _, count in service.requests) == film.stat().st_size - there
    assert service.files["film.mp4"] == film.read_bytes()
    assert _state_files(tmp_path) == []


def test_a_file_that_was_written_to_since_is_begun_anew(service: TusService, film: Path) -> None:
    stop = threading.Event()
    with _session(service) as session, pytest.raises(Stopped):
        service.faults = [lambda _: stop.set()]
        Uploader(session, "account", stop=stop).upload(film, "film.mp4")
    film.write_bytes(random.Random(2).randbytes(700 * KIB + 5))
    with _session(service) as session:
        Uploader(session, "account").upload(film, "film.mp4")
    assert service.files["film.mp4"] == film.read_bytes()


@pytest.mark.parametrize("how", ["append", "cut", "replace", "remove", "rewrite"])
def test_a_change_while_it_is_sent_is_noticed(
    uploader: Uploader, service: TusService, film: Path, tmp_path: Path, how: str
) -> None:
    def change(_: httpx.Request) -> None:
        other = tmp_path / "other"
        other.write_bytes(film.read_bytes())
        match how:
            case "append":
                film.write_bytes(film.read_bytes() + b"x")
            case "cut":
                film.write_bytes(b"short")
            case "replace":
                other.replace(film)
            case "remove":
                film.unlink()
            case _:
                film.write_bytes(bytes(film.stat().st_size))

    service.faults = [None, change]
    with pytest.raises(FileChanged):
        uploader.upload(film, "film.mp4")
    assert service.files == {}
    assert service.cancelled == ["u0"]
    assert _state_files(tmp_path) == []


def test_the_same_bytes_are_not_sent_again_and_others_replace_them(
    uploader: Uploader, service: TusService, film: Path
) -> None:
    now = datetime.now(UTC)
    sha256 = hashlib.sha256(film.read_bytes()).hexdigest()
    size = film.stat().st_size
    there = File("f", "film.mp4", size, "video/mp4", sha256, is_complete=True, created_at=now, updated_at=now)
    assert not uploader.upload(film, "film.mp4", there).was_sent
    assert service.requests == []
    film.write_bytes(b"y" * size)
    assert uploader.upload(film, "film.mp4", there).was_sent
    assert service.files["film.mp4"] == film.read_bytes()


def test_an_upload_that_an_earlier_run_finished_is_no_reason_to_send_nothing(
    service: TusService, film: Path, tmp_path: Path
) -> None:
    with _session(service) as session:
        uploader = Uploader(session, "account")
        uploader.upload(film, "other.mp4")
        with LocalSource(film) as source:
            parts = (session.url, "account", *source.identity, "film.mp4")
        with UploadState(*parts) as state:
            state.write("u0")  # as a run leaves it that is killed between the last answer and its end
        assert uploader.upload(film, "film.mp4").file_id == "u1"
    assert service.files["film.mp4"] == film.read_bytes()
    assert _state_files(tmp_path) == []


def test_two_that_send_the_same_at_once_do_not_end_each_other(service: TusService, film: Path) -> None:
    both = threading.Barrier(2, timeout=60)

    def meet(_: httpx.Request) -> None:
        both.wait()

    service.faults = [meet, meet]
    failures: list[Exception] = []

    def send() -> None:
        try:
            with _session(service) as session:
                Uploader(session, "account").upload(film, "film.mp4")
        except Exception as error:  # noqa: BLE001 # told below
            failures.append(error)

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert service.finished == {"u0", "u1"}
    assert service.files["film.mp4"] == film.read_bytes()
