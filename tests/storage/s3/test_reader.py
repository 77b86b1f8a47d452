"""Readers of blobs in an object store: what they ask for, and what they make of what happens meanwhile."""

import os
import random
import uuid
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.faulty_store import Application, FaultyStore, damaged_once, faulty_store
from tests.storage.s3.rig import Rig, forget_pieces
from transfer_service.db.database import Database
from transfer_service.errors import BlobMissing, ReadFailed, StoreUnavailable
from transfer_service.storage.rooms import ARCHIVES
from transfer_service.storage.s3 import connection
from transfer_service.storage.s3.checked import get_checked
from transfer_service.storage.s3.objects import Objects
from transfer_service.storage.s3.outgoing import PIECE_BYTES
from transfer_service.storage.s3.pieces import Piece
from transfer_service.storage.s3.reader import FIRST_BYTES, MOST_BYTES, RemoteReader, open_reader
from transfer_service.wire.ranges import Span

__all__ = ["faulty_store"]

KEY = uuid.UUID(int=7)
DATA = random.Random(5).randbytes(2 * PIECE_BYTES + 12_345)


@pytest.fixture
def rig(faulty_store: FaultyStore, database: Database) -> Rig:
    forget_pieces(database)  # those of the test before, which has the same key
    return Rig(Objects(faulty_store.address), database)


def opened(rig: Rig, key: uuid.UUID | str = KEY, *, is_checked: bool = False) -> RemoteReader:
    return open_reader(rig.backing, rig.layout.key_of(key), is_checked=is_checked)


def content(reader: RemoteReader, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join(reader.blocks(Span(start, reader.size if stop is None else stop)))


def put_whole(rig: Rig, data: bytes, key: uuid.UUID | str = KEY) -> None:
    rig.objects.put(rig.layout.own_name(key), [data])


def compact(rig: Rig) -> None:
    """Make one object of the pieces, as the worker does."""
    names = [each.object for each in rig.pieces(KEY)]
    put_whole(rig, DATA)
    with rig.database.write_rows() as rows:
        rig.rows.remove(rows, KEY.hex)
    rig.objects.delete(names)


@pytest.mark.parametrize("size", [0, 1, 1000, FIRST_BYTES])
def test_a_small_blob_costs_one_request(rig: Rig, faulty_store: FaultyStore, size: int) -> None:
    put_whole(rig, DATA[:size])
    faulty_store.calls.clear()
    with closing(opened(rig)) as reader:
        assert (reader.size, content(reader), reader.read(0, size + 5)) == (size, DATA[:size], DATA[:size])
    assert len(faulty_store.calls) == 1


def test_a_large_one_costs_few(rig: Rig, faulty_store: FaultyStore) -> None:
    put_whole(rig, DATA)
    faulty_store.calls.clear()
    with closing(opened(rig)) as reader:
        assert content(reader) == DATA
    assert len(faulty_store.calls) <= 4 + len(DATA) // MOST_BYTES


@pytest.mark.parametrize("place", ["pieces", "object"])
def test_every_span_is_the_bytes_there(rig: Rig, place: str) -> None:
    if place == "pieces":
        rig.put(KEY, DATA)
    else:
        put_whole(rig, DATA)
    chance = random.Random(3)
    with closing(opened(rig)) as reader:
        for _ in range(12):
            start = chance.randrange(len(DATA))
            stop = min(len(DATA), start + chance.choice([1, 1000, 300_000, 9_000_000]))
            assert content(reader, start, stop) == DATA[start:stop]
            assert reader.read(start, stop - start) == DATA[start:stop]
        assert reader.read(len(DATA), 5) == b""
        with pytest.raises(ReadFailed):
            content(reader, 5, len(DATA) + 1)


def put_shifted(rig: Rig) -> None:
    """As parts of a concatenation are: no piece ends where another blob's would."""
    rig.put(KEY, DATA[: PIECE_BYTES // 2 + 1])
    other = uuid.uuid4()
    rig.put(other, DATA[PIECE_BYTES // 2 + 1 :])
    with rig.writer(KEY, PIECE_BYTES // 2 + 1) as writer:
        writer.copy(other, Span(0, len(DATA) - PIECE_BYTES // 2 - 1), to=PIECE_BYTES // 2 + 1)
        rig.record(writer)


def put_in_parts(rig: Rig) -> None:
    """As compaction makes it: the store knows no checksum of all of it."""
    name = rig.layout.own_name(KEY)
    upload_id = rig.objects.begin_multipart(name)
    spans = [Span(start, min(start + PIECE_BYTES, len(DATA))) for start in range(0, len(DATA), PIECE_BYTES)]
    parts = [
        rig.objects.put_part(name, upload_id, number, [DATA[span.start : span.stop]])
        for number, span in enumerate(spans, 1)
    ]
    rig.objects.complete(name, upload_id, parts)


PLACED: dict[str, Callable[[Rig], None]] = {
    "pieces": lambda rig: rig.put(KEY, DATA),
    "shifted": put_shifted,
    "object": lambda rig: put_whole(rig, DATA),
    "in-parts": put_in_parts,
}


@pytest.mark.parametrize("place", PLACED)
def test_what_is_checked_is_right_whatever_happens_on_the_way(
    rig: Rig, faulty_store: FaultyStore, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(connection, "PAUSES", (0.01, 0.01, 0.01))
    PLACED[place](rig)
    faulty_store.always = damaged_once()
    with closing(opened(rig, is_checked=True)) as reader:
        assert content(reader) == DATA
    faulty_store.always = damaged_once()
    with closing(opened(rig, is_checked=True)) as reader:
        assert reader.read(5, 100) == DATA[5:105]
        assert reader.read(PIECE_BYTES - 5, 10) == DATA[PIECE_BYTES - 5 : PIECE_BYTES + 5]
        assert reader.read(len(DATA) - 5, 10) == DATA[-5:]


def test_whole_pieces_are_checked_by_one_request_each(rig: Rig, faulty_store: FaultyStore) -> None:
    rig.put(KEY, DATA)
    faulty_store.calls.clear()
    with closing(opened(rig, is_checked=True)) as reader:
        assert content(reader) == DATA
    assert len(faulty_store.calls) == len(rig.pieces(KEY)) == 3


@pytest.mark.parametrize("place", ["pieces", "in-parts"])
def test_what_never_comes_right_cannot_be_read(
    rig: Rig, faulty_store: FaultyStore, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(connection, "PAUSES", (0.01,))
    PLACED[place](rig)
    count = 0

    def damage(store: Application, environ: Any, start: Any) -> list[bytes]:
        nonlocal count
        count += 1
        body = bytearray(b"".join(store(environ, start)))
        body[count] ^= 1
        return [bytes(body)]

    faulty_store.always = damage
    with closing(opened(rig, is_checked=True)) as reader, pytest.raises(ReadFailed):
        content(reader)


def test_what_is_copied_out_of_an_object_is_what_it_has(rig: Rig, faulty_store: FaultyStore) -> None:
    put_in_parts(rig)
    target = uuid.uuid4()
    faulty_store.always = damaged_once()
    with rig.writer(target) as writer:
        writer.copy(KEY, Span(3, len(DATA)), to=0)
        writer.seal(len(DATA) - 3, flush=True)
        rig.record(writer)
    faulty_store.always = None
    assert rig.read(target) == DATA[3:]


def test_of_an_object_of_which_little_is_meant_little_is_read(rig: Rig) -> None:
    put_whole(rig, DATA)
    piece = Piece(Span(0, 1000), rig.layout.own_name(KEY))
    assert rig.objects.get_whole(piece.object, 1000) is None
    assert get_checked(rig.objects, piece) == DATA[:1000]


def test_small_reads_that_go_on_are_one_request_for_many(rig: Rig, faulty_store: FaultyStore) -> None:
    put_whole(rig, DATA)
    with closing(opened(rig)) as reader:
        faulty_store.calls.clear()
        start = 5_000_000
        read = [reader.read(start + 1000 * number, 1000) for number in range(5000)]
    assert b"".join(read) == DATA[start : start + 5_000_000]
    assert len(faulty_store.calls) < 8


@pytest.mark.parametrize("read", [0, 500_000, PIECE_BYTES + 5], ids=str)
def test_pieces_that_became_one_object_meanwhile_are_read_on(rig: Rig, read: int) -> None:
    rig.put(KEY, DATA)
    with closing(opened(rig)) as reader:
        assert content(reader, 0, read) == DATA[:read]
        compact(rig)
        assert content(reader, read) == DATA[read:]


def test_in_the_middle_of_being_sent_too(rig: Rig) -> None:
    rig.put(KEY, DATA)
    with closing(opened(rig)) as reader:
        blocks = reader.blocks(Span(0, len(DATA)))
        first = next(blocks)
        compact(rig)
        assert first + b"".join(blocks) == DATA


def lose_pieces(rig: Rig) -> None:
    rig.objects.delete([each.object for each in rig.pieces(KEY)])


def lose_blob(rig: Rig) -> None:
    lose_pieces(rig)
    with rig.database.write_rows() as rows:
        rig.rows.remove(rows, KEY.hex)


def become_shorter(rig: Rig) -> None:
    compact(rig)
    put_whole(rig, DATA[:1000])


@pytest.mark.parametrize("happens", [lose_pieces, lose_blob, become_shorter])
def test_what_is_gone_cannot_be_read(rig: Rig, happens: Callable[[Rig], None]) -> None:
    rig.put(KEY, DATA)
    with closing(opened(rig)) as reader:
        happens(rig)
        with pytest.raises(ReadFailed):
            content(reader)


@pytest.mark.parametrize("is_deleted", [True, False], ids=["deleted", "replaced"])
def test_bytes_of_two_objects_are_never_mixed(rig: Rig, is_deleted: bool) -> None:
    put_whole(rig, DATA)
    with closing(opened(rig)) as reader:
        rig.objects.delete([rig.layout.own_name(KEY)])
        if not is_deleted:
            put_whole(rig, DATA[::-1])
        with pytest.raises(ReadFailed):
            content(reader)


def test_an_archive_that_made_room_for_another_is_not_read_on(faulty_store: FaultyStore, database: Database) -> None:
    rig = Rig(Objects(faulty_store.address), database, ARCHIVES)
    rig.put("7.zip", DATA)
    with closing(opened(rig, "7.zip")) as reader:
        names = [each.object for each in rig.pieces("7.zip")]
        put_whole(rig, DATA[::-1], "7.zip")
        with rig.database.write_rows() as rows:
            rig.rows.remove(rows, "7.zip")
        rig.objects.delete(names)
        with pytest.raises(ReadFailed):
            content(reader)


def test_nothing_is_missing_before_it_is_asked_for(rig: Rig) -> None:
    with pytest.raises(BlobMissing):
        opened(rig)


def test_a_store_that_fails_in_the_middle_is_unavailable_and_read_on_when_it_is_back(
    rig: Rig, faulty_store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PAUSES", ())
    monkeypatch.setattr(connection, "AWAY_SECONDS", 0.0)
    rig.put(KEY, DATA)
    with closing(opened(rig)) as reader:
        blocks = reader.blocks(Span(0, len(DATA)))
        next(blocks)
        faulty_store.stop()
        with pytest.raises(StoreUnavailable):
            list(blocks)
        faulty_store.start()
        assert content(reader) == DATA


def test_whoever_stops_reading_leaves_nothing_on_its_way(rig: Rig) -> None:
    rig.put(KEY, os.urandom(3 * FIRST_BYTES))
    with closing(opened(rig)) as reader:
        blocks = reader.blocks(Span(0, reader.size))
        next(blocks)
        blocks.close()  # type: ignore[attr-defined]
        assert len(content(reader)) == reader.size
