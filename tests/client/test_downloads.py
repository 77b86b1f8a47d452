import errno
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from transfer_service_client.connection.credentials import Key
from transfer_service_client.downloads import downloads
from transfer_service_client.downloads.downloads import download
from transfer_service_client.downloads.parts import PartFile
from transfer_service_client.downloads.placing import part_stem
from transfer_service_client.errors import DigestMismatch, NotFound, Stopped, TransferError, Unavailable
from transfer_service_client.folders.stopping import Stoppable

from tests.client.small_service import SmallService, serving

DATA = random.Random(19).randbytes(3 << 20)


class Counts:
    def __init__(self) -> None:
        self.size, self.count, self.ends = 0, 0, 0

    def begin(self, name: str, size: int) -> None:  # noqa: ARG002
        self.size, self.count = size, 0

    def advance(self, name: str, count: int) -> None:  # noqa: ARG002
        self.count += count

    def restart(self, name: str, position: int) -> None:  # noqa: ARG002
        self.count = position

    def done(self, name: str, *, was_moved: bool) -> None:  # noqa: ARG002
        self.ends += 1

    def failed(self, name: str, error: Exception) -> None: ...


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_PARALLEL_BYTES", 1 << 20)
    monkeypatch.setattr(downloads, "_PIECE_BYTES", 300_000)
    monkeypatch.setattr(downloads, "_NEAR_SECONDS", 0)


def _only(folder: Path, *names: str) -> None:
    assert sorted(each.name for each in folder.iterdir()) == sorted(names)


@pytest.mark.parametrize("size", [0, 1, 5_000, len(DATA)])
def test_a_file_arrives_with_its_time_and_leaves_nothing_beside(tmp_path: Path, size: int) -> None:
    service, counts = SmallService(DATA[:size]), Counts()
    target = tmp_path / "film.mp4"
    target.write_bytes(b"the old one")
    with serving(service) as session:
        assert download(session, service.file(), target, progress=counts)
        assert target.read_bytes() == DATA[:size]
        assert target.stat().st_mtime == service.file().updated_at.timestamp()
        _only(tmp_path, "film.mp4")
        assert (counts.size, counts.count, counts.ends) == (size, size, 1)
        asked = len(service.ranges)
        assert not download(session, service.file(), target)
        assert len(service.ranges) == asked


@pytest.mark.usefixtures("small_pieces")
def test_pieces_come_by_several_connections(tmp_path: Path) -> None:
    service, counts = SmallService(DATA), Counts()
    with serving(service) as session:
        download(session, service.file(), tmp_path / "film.mp4", progress=counts)
    assert (tmp_path / "film.mp4").read_bytes() == DATA
    assert len(service.ranges) == 1 + -(-len(DATA) // 300_000)
    assert counts.count == len(DATA)


@pytest.mark.parametrize("has_pieces", [True, False])
def test_a_line_that_cuts_every_answer_gets_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_pieces: bool
) -> None:
    if has_pieces:
        monkeypatch.setattr(downloads, "_PARALLEL_BYTES", 1 << 20)
    service, counts = SmallService(DATA), Counts()
    service.body = lambda _start, data: data[:200_000]
    with serving(service) as session:
        download(session, service.file(), tmp_path / "film.mp4", progress=counts)
    assert (tmp_path / "film.mp4").read_bytes() == DATA
    assert counts.count == len(DATA)
    assert len(service.ranges) <= 25


@pytest.mark.usefixtures("small_pieces")
def test_without_a_strong_etag_and_without_ranges_it_arrives_too(tmp_path: Path) -> None:
    service = SmallService(DATA)
    service.etag, service.has_ranges = 'W/"one"', False
    with serving(service) as session:
        download(session, service.file(), tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == DATA


@pytest.mark.parametrize("at", [0, 1, 700, 1_999])
@pytest.mark.parametrize("bit", [0, 7])
def test_a_flipped_bit_is_found_and_the_old_file_stays(tmp_path: Path, at: int, bit: int) -> None:
    service = SmallService(DATA[:2_000])
    service.body = lambda _start, data: data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
    (tmp_path / "film.mp4").write_bytes(b"the old one")
    with serving(service) as session, pytest.raises(DigestMismatch):
        download(session, service.file(), tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == b"the old one"
    _only(tmp_path, "film.mp4")


@pytest.mark.usefixtures("small_pieces")
def test_a_proxy_that_corrupts_once_costs_a_second_try(tmp_path: Path) -> None:
    service, counts, flips = SmallService(DATA), Counts(), [True]
    service.body = lambda start, data: bytes([data[0] ^ 1]) + data[1:] if start == 600_000 and flips.pop(0) else data
    flips.extend([False] * 9)
    with serving(service) as session:
        download(session, service.file(), tmp_path / "film.mp4", progress=counts)
    assert (tmp_path / "film.mp4").read_bytes() == DATA
    assert counts.count == len(DATA)


def test_bytes_of_another_version_are_never_mixed(tmp_path: Path) -> None:
    service = SmallService(DATA)

    def change(_start: int, data: bytes) -> bytes:
        service.etag, service.data = '"two"', bytes(len(DATA))
        service.body = lambda _start, data: data
        return data[:100_000]

    service.body = change
    file = service.file()
    with serving(service) as session, pytest.raises(DigestMismatch):
        download(session, file, tmp_path / "film.mp4")
    _only(tmp_path)


@pytest.mark.usefixtures("small_pieces")
def test_what_arrived_before_a_stop_is_not_sent_again(tmp_path: Path) -> None:
    service, counts = SmallService(DATA), Counts()
    service.body = lambda start, data: data if start < 900_000 else b""
    with serving(service, patience_seconds=3) as session, pytest.raises(Unavailable):
        download(session, service.file(), tmp_path / "film.mp4")
    _only(tmp_path, f"{part_stem('film.mp4')}.part", f"{part_stem('film.mp4')}.json")
    service.body, service.ranges = lambda _start, data: data, []
    with serving(service) as session:
        download(session, service.file(), tmp_path / "film.mp4", progress=counts)
    assert service.ranges
    assert all(int((asked or "bytes=0-")[6:].split("-")[0]) >= 900_000 for asked in service.ranges)
    assert (tmp_path / "film.mp4").read_bytes() == DATA
    assert counts.count == len(DATA)
    _only(tmp_path, "film.mp4")


_PROGRAM = """
import pickle, sys
from pathlib import Path
from transfer_service_client.downloads.downloads import download
from transfer_service_client.connection.session import Session
file = pickle.loads(bytes.fromhex(sys.argv[2]))
download(Session(sys.argv[1]), file, Path(sys.argv[3]))
"""


def test_a_killed_process_goes_on_where_it_was(tmp_path: Path) -> None:
    service = SmallService(DATA)
    slow = [True]

    def body(_start: int, data: bytes) -> bytes:
        if slow:
            time.sleep(0.3)  # so that more than a second passes between the first bytes and the last
            return data[:200_000]
        return data

    service.body = body
    with serving(service) as session:
        arguments = [session.url, pickle.dumps(service.file()).hex(), str(tmp_path / "film.mp4")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen([sys.executable, "-c", _PROGRAM, *arguments], env=environment)
        state = tmp_path / f"{part_stem('film.mp4')}.json"
        ends_at = time.monotonic() + 60
        while not state.exists() and process.poll() is None and time.monotonic() < ends_at:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
        slow.clear()
        service.ranges = []
        download(session, service.file(), tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == DATA
    assert service.ranges
    assert service.ranges[0] is not None
    assert not service.ranges[0].startswith("bytes=0-")
    _only(tmp_path, "film.mp4")


def test_a_passing_answer_is_waited_for_and_a_refusal_is_not(tmp_path: Path) -> None:
    service = SmallService(DATA[:10])
    service.statuses = [503, 502]
    with serving(service) as session:
        download(session, service.file(), tmp_path / "film.mp4")
        service.statuses = [404]
        with pytest.raises(NotFound):
            download(session, service.file(), tmp_path / "other")
    assert (tmp_path / "film.mp4").read_bytes() == DATA[:10]


def test_a_redirect_to_a_store_gets_no_credentials(tmp_path: Path) -> None:
    service, store = SmallService(DATA), SmallService(DATA)
    with serving(service) as session, serving(store) as at_store:
        session._shows.credentials = Key("tsk_secret")
        service.redirects_to = f"{at_store.url}/signed"
        download(session, service.file(), tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == DATA
    assert service.authorizations == ["Bearer tsk_secret"]
    assert store.authorizations == [None]


def test_links_in_place_of_the_part_are_not_written_through(tmp_path: Path) -> None:
    service = SmallService(DATA)
    for kind in (os.symlink, os.link):
        outside, folder = tmp_path / "outside", tmp_path / kind.__name__
        outside.write_bytes(b"precious")
        folder.mkdir()
        kind(outside, folder / f"{part_stem('film.mp4')}.part")
        kind(outside, folder / f"{part_stem('film.mp4')}.json")
        (folder / "film.mp4").symlink_to(outside)
        with serving(service) as session:
            download(session, service.file(), folder / "film.mp4")
        assert outside.read_bytes() == b"precious"
        assert (folder / "film.mp4").read_bytes() == DATA
        assert not (folder / "film.mp4").is_symlink()


def test_a_lying_list_of_ranges_is_found_out(tmp_path: Path) -> None:
    service = SmallService(DATA)
    part = PartFile(tmp_path / "film.mp4", service.file())
    part.etag = '"one"'
    part.write(0, bytes(500_000))  # as after a loss of power
    part.save()
    part.close()
    with serving(service) as session:
        download(session, service.file(), tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == DATA
    assert service.ranges == [f"bytes=500000-{len(DATA) - 1}", None]


def test_one_process_at_a_time_fetches_a_file(tmp_path: Path) -> None:
    service = SmallService(DATA)
    part = PartFile(tmp_path / "film.mp4", service.file())
    with serving(service) as session, pytest.raises(TransferError, match="being fetched already"):
        download(session, service.file(), tmp_path / "film.mp4")
    part.close()


def test_names_of_full_length_have_room_for_their_part(tmp_path: Path) -> None:
    service = SmallService(DATA[:100])
    with serving(service) as session:
        download(session, service.file(), tmp_path / ("n" * 255))
    _only(tmp_path, "n" * 255)


@pytest.mark.parametrize("size", [900_000, len(DATA)])
@pytest.mark.usefixtures("small_pieces")
def test_an_interrupted_download_ends_at_once_and_keeps_what_it_has(tmp_path: Path, size: int) -> None:
    service, counts, stop = SmallService(DATA[:size]), Counts(), threading.Event()

    class Interrupts(Counts):
        def advance(self, name: str, count: int) -> None:
            super().advance(name, count)
            if self.count > 250_000:
                stop.set()

    with serving(service) as session:
        with pytest.raises(Stopped):
            download(session, service.file(), tmp_path / "film.mp4", progress=Stoppable(Interrupts(), stop))
        _only(tmp_path, f"{part_stem('film.mp4')}.part", f"{part_stem('film.mp4')}.json")
        service.ranges = []
        download(session, service.file(), tmp_path / "film.mp4", progress=counts)
    assert None not in service.ranges
    assert counts.count == size
    assert (tmp_path / "film.mp4").read_bytes() == DATA[:size]


@pytest.mark.usefixtures("small_pieces")
def test_a_full_disk_is_told_and_what_arrived_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service, counts = SmallService(DATA), Counts()
    put = PartFile._put

    def full(part: PartFile, start: int, data: bytes) -> None:
        if start > 500_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        put(part, start, data)

    monkeypatch.setattr(PartFile, "_put", full)
    with serving(service) as session:
        with pytest.raises(TransferError, match="There is no room"):
            download(session, service.file(), tmp_path / "film.mp4")
        assert (tmp_path / f"{part_stem('film.mp4')}.part").stat().st_size == len(DATA)
        assert not (tmp_path / "film.mp4").exists()
        monkeypatch.undo()
        download(session, service.file(), tmp_path / "film.mp4", progress=counts)
    assert (tmp_path / "film.mp4").read_bytes() == DATA
    _only(tmp_path, "film.mp4")
