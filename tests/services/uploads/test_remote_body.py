"""The bytes of one append on their way to a remote store: what counts meanwhile, and what is waited for."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.services.uploads.bench import Append, Client, Step
from tests.storage.memory import MemoryStore
from tests.stores import content, recording
from transfer_service.errors import BodyCutShort, ClaimLost, StoreUnavailable
from transfer_service.services import body_writer
from transfer_service.services.body_writer import COMMIT_BYTES, BodyWriter, Counting, up_to
from transfer_service.storage.blobs import END, BlobWriter
from transfer_service.storage.rooms import FILES
from transfer_service.storage.windows import WINDOW_BYTES
from transfer_service.threads import begin_offload
from transfer_service.wire.ranges import Span

MEBIBYTE = 1024 * 1024


@dataclass
class Landing:
    """Where one append lands, on a store that acknowledges a write when the next one comes, or when it is waited for.

    `commits` are the offsets that were made facts, and `waits` those of them that were waited for.
    """

    store: MemoryStore = field(default_factory=lambda: MemoryStore(FILES, is_remote=True))
    upload_id: uuid.UUID = field(default_factory=uuid.uuid4)
    commits: list[int] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)

    @contextmanager
    def opened(self) -> Iterator[BodyWriter]:
        with self.store.open_writer(self.upload_id, Span(0, END), create=True, wait_seconds=0) as writer:
            yield BodyWriter(
                writer,
                start=0,
                make_room=up_to(END),
                counting=Counting(is_atomic=False, commit=lambda offset: self.commit(writer, offset)),
                follower=None,
                begin=begin_offload,
            )

    def commit(self, writer: BlobWriter, offset: int) -> None:
        if offset > writer.settled:
            writer.sync()
            self.waits.append(offset)
        with recording(self.store) as rows:
            writer.record(rows)
        self.commits.append(offset)

    def receive(self, *steps: Step) -> int:
        with self.opened() as landing:
            landing.receive(Append(steps))
            return landing.offset

    def go_away(self) -> None:
        self.store.is_away = True

    def lose_the_claim(self) -> None:
        self.store.claims.are_lost = True


@pytest.fixture
def place() -> Landing:
    return Landing()


def set_waiting(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """How long the store may be without what a slow client has brought."""
    monkeypatch.setattr(body_writer, "STORE_SECONDS", seconds)


def test_what_the_store_has_acknowledged_counts_and_nothing_is_waited_for(place: Landing) -> None:
    assert place.receive(*[bytes(MEBIBYTE)] * 20) == 20 * MEBIBYTE
    assert place.commits == [COMMIT_BYTES - WINDOW_BYTES, 2 * COMMIT_BYTES - WINDOW_BYTES]
    assert place.waits == []


def test_what_a_slow_client_brings_is_not_stored_at_each_pause(place: Landing) -> None:
    place.receive(b"ab", Client.PAUSES, b"cd", Client.PAUSES, b"ef", Client.PAUSES, b"g")
    assert (place.commits, place.waits) == ([], [])


def test_what_has_waited_for_long_is_stored(place: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    set_waiting(monkeypatch, 0.0)
    place.receive(b"ab", Client.PAUSES, b"cd", Client.PAUSES)
    assert (place.commits[-1], place.waits, content(place.store, place.upload_id)) == (4, [2, 4], b"abcd")


def test_a_slow_client_is_stored_every_few_seconds_and_counts(place: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    set_waiting(monkeypatch, 0.3)
    monkeypatch.setattr(body_writer, "COMMIT_SECONDS", 0.01)

    class Slow(Append):
        def blocks(self) -> Iterator[bytes]:
            while len(place.waits) < 2:
                yield b"x"

    with place.opened() as landing:
        landing.receive(Slow([]))
    first, second = place.waits
    assert first < second == len(content(place.store, place.upload_id))


@pytest.mark.parametrize("ending", [Client.LEAVES, ConnectionResetError()], ids=["cut-short", "reset"])
def test_what_arrived_counts_after_an_error_of_the_client(place: Landing, ending: Any) -> None:
    with pytest.raises((BodyCutShort, ConnectionResetError)):
        place.receive(b"abc", b"de", ending)
    assert (place.commits, place.waits, content(place.store, place.upload_id)) == ([5], [5], b"abcde")


def test_when_the_store_goes_away_what_it_has_acknowledged_counts(place: Landing) -> None:
    steps = [bytes(WINDOW_BYTES)] * 2
    with pytest.raises(StoreUnavailable):
        place.receive(*steps, place.go_away, *steps)
    assert (place.commits, place.waits) == ([WINDOW_BYTES], [])
    assert content(place.store, place.upload_id) == bytes(WINDOW_BYTES)


def test_when_the_store_is_away_at_the_end_of_the_client_too(place: Landing) -> None:
    with pytest.raises(StoreUnavailable):
        place.receive(bytes(WINDOW_BYTES), bytes(WINDOW_BYTES), place.go_away, Client.LEAVES)
    assert (place.commits, place.waits) == ([WINDOW_BYTES], [])


@pytest.mark.parametrize("more", [[], [Client.PAUSES]], ids=["at-the-end", "on-the-way"])
def test_nothing_counts_after_the_claim_was_lost(
    place: Landing, monkeypatch: pytest.MonkeyPatch, more: list[Step]
) -> None:
    set_waiting(monkeypatch, 0.0)
    with pytest.raises(ClaimLost):
        place.receive(b"abc", Client.PAUSES, place.lose_the_claim, b"de", *more, Client.LEAVES)
    assert (place.commits[-1], content(place.store, place.upload_id)) == (3, b"abc")


@pytest.mark.parametrize("size", [1, 300_000, WINDOW_BYTES], ids=["little", "more", "a-window"])
def test_room_is_asked_for_before_anything_is_written(place: Landing, size: int) -> None:
    """The store in memory refuses what it has no room for; see `RemoteMemoryWriter.write`."""
    data = bytes(size)
    assert place.receive(data, data, data) == 3 * size
