"""The bytes of one append on their way to the disk, seen while they arrive."""

import errno
import hashlib
import os
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from gevent import GreenletExit

from tests.live.server import wait_until
from tests.services.uploads.bench import Append, Client, Step, Uploads, any_uploads, make_uploads, uploads
from tests.stores import content
from transfer_service.errors import BodyCutShort, QuotaExceeded, StorageFull, TooLarge, UploadEnded
from transfer_service.services import body_writer as landing_module
from transfer_service.services.body_writer import COMMIT_BYTES, COMMIT_SECONDS, BodyWriter, Counting, up_to
from transfer_service.services.digests import RunningDigests
from transfer_service.services.file_digest import FileDigest
from transfer_service.storage.blobs import END, BlobWriter
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import FILES
from transfer_service.storage.windows import WINDOW_BYTES, WindowPair
from transfer_service.threads import BeginOffload, T, begin_offload
from transfer_service.wire.ranges import Span

__all__ = ["any_uploads", "make_uploads", "uploads"]

MEBIBYTE = 1024 * 1024


class BrokenWriter:
    """A writer on a disk that fails once."""

    def __init__(self, writer: BlobWriter, broken_write: int) -> None:
        self._writer = writer
        self._writes_left = broken_write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def write(self, offset: int, blocks: Sequence[bytes | memoryview]) -> None:
        self._fail_once()
        self._writer.write(offset, blocks)

    def write_direct(self, offset: int, data: memoryview) -> None:
        self._fail_once()
        self._writer.write_direct(offset, data)

    def _fail_once(self) -> None:
        self._writes_left -= 1
        if not self._writes_left:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@dataclass
class Place:
    """Where one append lands. `commits` are the offsets that were made facts."""

    store: DiskStore
    upload_id: uuid.UUID
    commits: list[int] = field(default_factory=list)
    refuse: Callable[[int], None] = lambda _offset: None
    touches: int = 0
    begin: BeginOffload = begin_offload
    broken_write: int = 0
    """Which write the disk fails at, counted from 1."""

    def commit(self, offset: int) -> None:
        self.refuse(offset)
        self.commits.append(offset)

    @contextmanager
    def landing(self, *, start: int = 0, limit: int = 64 * MEBIBYTE, is_atomic: bool = False) -> Iterator[BodyWriter]:
        digests = self.digests = RunningDigests(store=self.store, offload=lambda work: work())
        with self.store.open_writer(self.upload_id, Span(start, END), create=True, wait_seconds=0) as writer:
            yield BodyWriter(
                self.writer(writer),
                start=start,
                make_room=up_to(limit),
                counting=Counting(is_atomic, self.commit, self.touch),
                follower=None if is_atomic else digests.follow(self.upload_id),
                begin=self.begin,
            )

    def touch(self) -> None:
        self.touches += 1

    def writer(self, writer: BlobWriter) -> BlobWriter:
        return cast(BlobWriter, BrokenWriter(writer, self.broken_write)) if self.broken_write else writer

    def receive(self, *steps: Step, **arguments: Any) -> int:
        """Land the steps, and tell where they end."""
        with self.landing(**arguments) as landing:
            landing.receive(Append(steps))
            return landing.offset

    def content(self) -> bytes:
        return content(self.store, self.upload_id)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(DiskStore(tmp_path, FILES), uuid.uuid4())


def test_the_blocks_are_written_and_the_last_of_them_is_left_to_the_caller_to_commit(place: Place) -> None:
    assert place.receive(b"abc", b"", b"def") == 6
    assert (place.content(), place.commits) == (b"abcdef", [])


def test_an_append_lands_at_its_start(place: Place) -> None:
    place.receive(b"abc")
    assert place.receive(b"def", Client.PAUSES, start=3) == 6
    assert (place.content(), place.commits) == (b"abcdef", [6])


def test_every_few_mebibytes_count(place: Place) -> None:
    blocks = [bytes(MEBIBYTE)] * 20
    place.receive(*blocks)
    assert place.commits == [COMMIT_BYTES, 2 * COMMIT_BYTES]


def test_when_the_client_goes_quiet_everything_counts_once(place: Place) -> None:
    place.receive(Client.PAUSES, b"ab", Client.PAUSES, Client.PAUSES, b"c", Client.PAUSES, b"d")
    assert place.commits == [2, 3]


def test_a_slow_client_is_counted_every_second(place: Place) -> None:
    def trickle() -> Iterator[bytes]:
        while not place.commits:
            yield b"x"

    @dataclass
    class Slow(Append):
        def blocks(self) -> Iterator[bytes]:
            return trickle()

    with place.landing(limit=END) as landing:
        begun = landing.offset
        landing.receive(Slow([]))
    assert (begun, len(place.commits), COMMIT_SECONDS) == (0, 1, 1.0)
    assert len(place.content()) >= place.commits[0]


@pytest.mark.parametrize(
    ("ending", "error"),
    [
        pytest.param(Client.LEAVES, BodyCutShort, id="cut-short"),
        pytest.param(ConnectionResetError(), ConnectionResetError, id="reset"),
        pytest.param(KeyboardInterrupt(), KeyboardInterrupt, id="killed"),
        pytest.param(bytes(10), TooLarge, id="past-the-limit"),
    ],
)
def test_what_arrived_counts_after_an_error(place: Place, ending: Any, error: type[BaseException]) -> None:
    steps = [ending] if not isinstance(ending, KeyboardInterrupt) else [lambda: interrupt(ending)]
    with pytest.raises(error):
        place.receive(b"abc", b"de", *steps, limit=10)
    assert (place.commits, place.content()) == ([5], b"abcde")


def interrupt(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    "ending", [pytest.param(Client.LEAVES, id="cut-short"), pytest.param(bytes(10), id="past-the-limit")]
)
def test_of_an_atomic_append_nothing_counts_before_its_end(place: Place, ending: Step) -> None:
    with pytest.raises((BodyCutShort, TooLarge)):
        place.receive(b"abc", Client.PAUSES, b"de", ending, limit=10, is_atomic=True)
    assert place.commits == []


def test_a_large_atomic_append_never_counts_in_part(place: Place) -> None:
    assert place.receive(*[bytes(MEBIBYTE)] * 20, is_atomic=True) == 20 * MEBIBYTE
    assert place.commits == []


class FullAfter:
    """A writer on a disk with so much room. Everything else is the real one's."""

    def __init__(self, writer: BlobWriter, room: int) -> None:
        self._writer, self._room = writer, room

    def write(self, offset: int, blocks: list[bytes]) -> None:
        if offset + sum(map(len, blocks)) > self._room:
            self._writer.write(offset, [b"".join(blocks)[: max(self._room - offset, 0)]])
            raise StorageFull
        self._writer.write(offset, blocks)

    def write_direct(self, offset: int, data: memoryview) -> None:
        self.write(offset, [bytes(data)])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


@dataclass
class SmallPlace(Place):
    room: int = 0

    def writer(self, writer: BlobWriter) -> BlobWriter:
        return FullAfter(writer, self.room)  # type: ignore[return-value] # the rest is delegated


@pytest.mark.parametrize(
    ("steps", "commits"),
    [
        pytest.param([b"abcd", Client.PAUSES, b"efgh"], [4], id="counted-before"),
        pytest.param([b"abcdefgh"], [], id="nothing-before"),
        pytest.param([b"abcdefgh", Client.PAUSES], [], id="when-quiet"),
        pytest.param([bytes(3 * WINDOW_BYTES)], [2 * WINDOW_BYTES], id="written-but-not-counted"),
    ],
)
def test_on_a_full_disk_what_was_written_counts(tmp_path: Path, steps: list[Step], commits: list[int]) -> None:
    room = 6 if not commits or commits[0] < MEBIBYTE else 3 * WINDOW_BYTES - 1
    place = SmallPlace(DiskStore(tmp_path, FILES), uuid.uuid4(), room=room)
    with pytest.raises(StorageFull):
        place.receive(*steps)
    assert place.commits == commits


def test_what_the_facts_refuse_ends_the_append(place: Place) -> None:
    def refuse(offset: int) -> None:
        if offset > 4:
            raise QuotaExceeded

    place.refuse = refuse
    with pytest.raises(QuotaExceeded):
        place.receive(b"abcd", Client.PAUSES, b"ef", Client.PAUSES, b"never")
    assert (place.commits, place.content()) == ([4], b"abcdef")


def test_another_process_sees_how_far_an_append_is_before_it_ends(any_uploads: Uploads) -> None:
    other, seen = any_uploads.another_instance(), list[int]()
    upload = any_uploads.begin(20 * MEBIBYTE)

    def look() -> None:
        seen.append(other.get(upload).offset)  # it only watches

    any_uploads.stream(upload, 0, *[bytes(MEBIBYTE)] * 9, look, b"x", Client.PAUSES, look)
    assert seen == [COMMIT_BYTES, 9 * MEBIBYTE + 1]


def test_looking_ends_an_append_whose_client_is_silent(any_uploads: Uploads) -> None:
    """The client of the first append stalls; the look of another process, a while later, gets what it brought."""
    upload, other = any_uploads.begin(10), any_uploads.another_instance()
    with ThreadPoolExecutor(1) as pool:
        stalled = pool.submit(any_uploads.error_of, lambda: any_uploads.stream(upload, 0, b"0123", Client.STALLS))
        wait_until(lambda: other.services.store.claims.is_in_use(upload.id) and other.get(upload).offset == 4)
        any_uploads.clock.advance(seconds=2)
        assert other.look(upload).offset == 4
        assert stalled.result(20) is BodyCutShort
    assert other.send(upload, 4, b"456789").is_finished


def test_an_append_notices_that_its_upload_was_cancelled(any_uploads: Uploads) -> None:
    upload, other = any_uploads.begin(10), any_uploads.another_instance()
    body = Append([b"0123", lambda: other.cancel(upload), Client.STALLS])
    assert any_uploads.error_of(lambda: any_uploads.put(upload, body, offset=0)) is UploadEnded
    assert (any_uploads.blobs(), any_uploads.used_bytes(), any_uploads.rows()) == (set(), 0, 0)


@pytest.mark.parametrize("is_last", [False, True], ids=["another-one-follows", "the-last"])
def test_what_cannot_be_written_is_no_hole_that_counts(place: Place, is_last: bool) -> None:
    place.broken_write = 2
    blocks = [letter * WINDOW_BYTES for letter in ([b"a", b"b"] if is_last else [b"a", b"b", b"c"])]
    with pytest.raises(OSError, match="Input/output"):
        place.receive(*blocks, Client.PAUSES)
    assert (place.commits, place.content()) == ([WINDOW_BYTES], b"a" * WINDOW_BYTES)


def test_an_append_of_which_nothing_counts_yet_shows_that_it_is_alive(place: Place) -> None:
    def trickle() -> Iterator[bytes]:
        while not place.touches:
            yield b"x"

    @dataclass
    class Slow(Append):
        def blocks(self) -> Iterator[bytes]:
            return trickle()

    with place.landing(limit=END, is_atomic=True) as landing:
        landing.receive(Slow([]))
    assert (place.touches, place.commits) == (1, [])


@pytest.mark.parametrize("killed_at", [1, 2, 3, 4], ids=["writing", "hashing", "writing-on", "hashing-on"])
def test_a_request_that_is_killed_while_it_waits_for_a_thread_waits_for_what_is_under_way(
    place: Place, killed_at: int
) -> None:
    """All threads may be busy when a part is handed over: a switch point, at which a stop of the service may kill."""
    begun, waited = list[int](), list[int]()

    def begin(work: Callable[[], T], /) -> Callable[[], T]:
        number = len(begun) + 1
        if number == killed_at:
            raise GreenletExit
        begun.append(number)

        def wait() -> T:
            waited.append(number)
            return work()

        return wait

    place.begin = begin
    with pytest.raises(GreenletExit):
        place.receive(*[bytes(WINDOW_BYTES)] * 3)
    assert sorted(waited) == begun
    counted = WINDOW_BYTES if killed_at > 2 else 0
    assert place.commits == [counted] * (counted > 0)
    assert place.digests.digest(place.upload_id, counted) == FileDigest(
        hashlib.sha256(bytes(counted)).hexdigest(), zlib.crc32(bytes(counted))
    )


@pytest.mark.parametrize("is_atomic", [False, True], ids=["counting", "atomic"])
def test_a_client_that_is_waited_for_after_its_append_has_failed_writes_nothing(
    place: Place, *, is_atomic: bool
) -> None:
    """The connection lingers, so that the answer can be read; whatever is open then may be another file."""
    body = Append([b"abc", Client.LEAVES])
    with place.landing(is_atomic=is_atomic) as landing, pytest.raises(BodyCutShort):
        landing.receive(body)
    commits = list(place.commits)
    with place.store.open_writer(uuid.uuid4(), Span(0, END), create=True, wait_seconds=0):
        body.work()
    assert (place.commits, landing.offset) == (commits, 0 if is_atomic else 3)


def test_a_slow_client_keeps_no_memory_for_what_is_written(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing_module, "WRITE_SECONDS", 0.0)
    forgotten = list[int]()
    monkeypatch.setattr(WindowPair, "forget", lambda _self, offset: forgotten.append(offset))
    assert place.receive(b"a" * 5000, b"b" * 5000, b"c") == 10_001
    assert forgotten == [5000, 10_000, 10_001]
    assert place.content() == b"a" * 5000 + b"b" * 5000 + b"c"
