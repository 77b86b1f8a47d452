"""An installation on an object store over its days: chunks, whole files, joins, compaction, deletion, cleanup."""

import os
import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import delete, insert, select

from tests.services.conftest import Bench
from transfer_service.bootstrap import build_compaction
from transfer_service.models.files import File
from transfer_service.models.pieces import ScatteredBlob, StoredPiece
from transfer_service.services.upkeep.verification import Problem
from transfer_service.storage.blobs import END, WHOLE
from transfer_service.storage.rooms import FILES
from transfer_service.storage.s3.layout import RoomLayout
from transfer_service.storage.s3.objects import Objects
from transfer_service.storage.s3.outgoing import PIECE_BYTES
from transfer_service.storage.s3.store import RemoteStore
from transfer_service.wire.ranges import Span
from transfer_service.wire.store_addresses import StoreAddress

MIB = 1024 * 1024


@pytest.fixture
def remote_bench(make_bench: Callable[..., Bench], object_store_url: str) -> Iterator[Bench]:
    yield make_bench(storage_url=object_store_url)


def names(objects: Objects, address: StoreAddress, *, kept: bool = False) -> list[str]:
    """All objects, without the marks of the rooms; those in quarantine where they are asked for."""
    found = [each.name for page in objects.list(f"{address.prefix}/") for each in page]
    there = [name.removeprefix(f"{address.prefix}/") for name in found if "/marks/" not in name]
    return [name for name in there if name.startswith("quarantine/") == kept]


def compact(bench: Bench) -> int:
    work = build_compaction(bench.services.core)
    assert work is not None
    return work()


def test_chunks_in_any_order_become_one_file_and_one_object(
    remote_bench: Bench, objects: Objects, store_address: StoreAddress
) -> None:
    data = os.urandom(3 * MIB)
    for start in (2 * MIB, 0, MIB):
        remote_bench.append(start, data[start : start + MIB], total=len(data))
    file = remote_bench.find()
    assert file is not None and file.is_complete
    assert len(names(objects, store_address)) == 3
    assert remote_bench.content(file) == data
    assert compact(remote_bench) == 1
    assert names(objects, store_address) == [f"files/{file.id.hex[:2]}/{file.id.hex}"]
    assert remote_bench.content(file) == data


def test_a_whole_file_is_read_at_once_and_replaced_with_all_that_it_was(
    remote_bench: Bench, objects: Objects, store_address: StoreAddress
) -> None:
    data = os.urandom(PIECE_BYTES + MIB)
    old = remote_bench.store(data)
    assert remote_bench.content(old) == data
    new = remote_bench.store(b"small", overwrite=True)
    assert remote_bench.content(new) == b"small"
    assert names(objects, store_address) == [f"files/{new.id.hex[:2]}/{new.id.hex}"]


def test_a_file_that_grows_after_it_was_compacted_is_whole_again(remote_bench: Bench) -> None:
    remote_bench.append(0, b"abc")
    remote_bench.append(3, b"def")
    assert compact(remote_bench) == 1
    remote_bench.append(6, b"ghi")
    file = remote_bench.find()
    assert file is not None
    assert remote_bench.content(file) == b"abcdefghi"
    assert compact(remote_bench) == 1
    assert remote_bench.content(file) == b"abcdefghi"


def test_cleanup_sets_aside_what_killed_writers_left_and_nothing_else(
    remote_bench: Bench, objects: Objects, store_address: StoreAddress
) -> None:
    kept = remote_bench.append(0, b"abc", total=6)
    store = remote_bench.services.store
    assert isinstance(store, RemoteStore)
    left = store.backing.layout.new_piece_name(kept.id.hex)
    objects.put(left, [b"never counted"])
    remote_bench.services.cleanup.run()
    assert len(names(objects, store_address)) == 2
    remote_bench.clock.advance(hours=1, minutes=5)
    dry = remote_bench.services.cleanup.run(dry_run=True)
    assert (dry.removed.unfinished_deletions.count, dry.removed.unfinished_deletions.bytes) == (1, 13)
    report = remote_bench.services.cleanup.run()
    assert (report.removed.unfinished_deletions.bytes, report.removed.orphaned_blobs.count) == (13, 0)
    assert len(names(objects, store_address)) == 1
    assert len(names(objects, store_address, kept=True)) == 1
    remote_bench.services.cleanup.run()
    assert len(names(objects, store_address, kept=True)) == 1
    file = remote_bench.append(3, b"def", total=6)
    assert remote_bench.content(file) == b"abcdef"
    remote_bench.services.files.delete(remote_bench.account_id, "log.bin")
    remote_bench.services.cleanup.run()
    assert names(objects, store_address) == names(objects, store_address, kept=True) == []


def test_pieces_that_were_set_aside_come_back_when_rows_name_them_again(
    remote_bench: Bench, objects: Objects, store_address: StoreAddress
) -> None:
    """As when a newer database is put in place of an older one."""
    data = os.urandom(PIECE_BYTES + MIB)
    file = remote_bench.store(data)
    database = remote_bench.services.database
    with database.write() as session:
        rows = session.execute(select(StoredPiece.__table__)).mappings().all()
        session.execute(delete(StoredPiece).where(StoredPiece.start > 0))
    remote_bench.clock.advance(hours=1, minutes=5)
    remote_bench.services.cleanup.run()
    assert (len(names(objects, store_address)), len(names(objects, store_address, kept=True))) == (1, 1)
    with database.write() as session:
        session.execute(insert(StoredPiece), [dict(row) for row in rows if row["start"] > 0])
    assert remote_bench.services.orphans.restore() == 1
    assert remote_bench.content(file) == data
    assert names(objects, store_address, kept=True) == []


@pytest.mark.parametrize("size", [100, PIECE_BYTES + MIB], ids=["object", "pieces"])
def test_a_blob_without_a_record_is_set_aside_and_comes_back_with_it(
    remote_bench: Bench, objects: Objects, store_address: StoreAddress, size: int
) -> None:
    data = os.urandom(size)
    for number in range(11):
        remote_bench.store(b"other", name=f"{number}.bin")
    file = remote_bench.store(data)
    before = names(objects, store_address)
    database = remote_bench.services.database
    with database.write() as session:
        row = dict(session.execute(select(File.__table__).where(File.id == file.id)).mappings().one())
        session.execute(delete(File).where(File.id == file.id))
    assert remote_bench.services.cleanup.run().removed.orphaned_blobs.count == 0
    assert names(objects, store_address) == before
    remote_bench.clock.advance(hours=1, minutes=5)
    report = remote_bench.services.cleanup.run(dry_run=True)
    assert (report.removed.orphaned_blobs.count, report.removed.orphaned_blobs.bytes) == (1, size)
    assert names(objects, store_address) == before
    report = remote_bench.services.cleanup.run()
    assert (report.removed.orphaned_blobs.count, report.in_quarantine.bytes) == (1, size)
    assert not any(file.id.hex in name for name in names(objects, store_address))
    assert remote_bench.services.store.stored_bytes(file.id) is None
    with database.write() as session:
        session.execute(insert(File), [row])
    assert remote_bench.services.cleanup.run().restored.count == 1
    assert (names(objects, store_address), names(objects, store_address, kept=True)) == (before, [])
    assert remote_bench.content(file) == data


def test_what_stays_an_orphan_is_gone_for_good_after_its_days(
    remote_bench: Bench, objects: Objects, store_address: StoreAddress
) -> None:
    for number in range(11):
        remote_bench.store(b"other", name=f"{number}.bin")
    before = names(objects, store_address)
    layout = RoomLayout(store_address.prefix, FILES)
    orphan = uuid.uuid4()
    objects.put(layout.own_name(orphan), [b"nobody's"])
    objects.put(layout.new_piece_name(orphan), [b"nobody's either"])
    remote_bench.clock.advance(hours=1, minutes=5)
    report = remote_bench.services.cleanup.run()
    assert (report.removed.orphaned_blobs.count, report.in_quarantine.bytes) == (1, 23)
    remote_bench.clock.advance(days=7, minutes=5)
    assert remote_bench.services.cleanup.run().removed.expired_quarantine.bytes == 23
    assert (names(objects, store_address), names(objects, store_address, kept=True)) == (before, [])


def test_what_another_instance_has_in_flight_is_left_alone(
    remote_bench: Bench, objects: Objects, store_address: StoreAddress
) -> None:
    for number in range(11):
        remote_bench.store(b"other", name=f"{number}.bin")
    before = names(objects, store_address)
    blob_id = uuid.uuid4()
    with remote_bench.services.store.open_writer(blob_id, WHOLE, create=True, wait_seconds=0) as writer:
        writer.make_room(PIECE_BYTES)
        writer.write(0, [bytes(PIECE_BYTES)])
        writer.sync()
        remote_bench.clock.advance(hours=30)
        remote_bench.services.cleanup.run()
        assert len(names(objects, store_address)) == len(before) + 1
    assert names(objects, store_address) == before


def test_multiparts_that_were_left_are_ended_and_young_ones_are_not(
    remote_bench: Bench, objects: Objects, store_address: StoreAddress
) -> None:
    file = remote_bench.store(b"abc")
    name = RoomLayout(store_address.prefix, FILES).own_name(file.id)
    objects.put_part(name, objects.begin_multipart(name), 1, [b"left"])

    def left() -> int:
        return sum(len(page) for page in objects.multiparts(f"{store_address.prefix}/"))

    remote_bench.services.cleanup.run()
    assert left() == 1
    remote_bench.clock.advance(hours=1, minutes=5)
    remote_bench.services.cleanup.run()
    assert left() == 0
    assert remote_bench.content(file) == b"abc"


@pytest.mark.parametrize("size", [100, PIECE_BYTES + MIB], ids=["object", "pieces"])
def test_bytes_that_are_not_there_are_told_by_cleanup_and_verify(
    remote_bench: Bench, objects: Objects, store_address: StoreAddress, size: int
) -> None:
    whole = [remote_bench.store(b"whole", name=f"{number}.bin") for number in range(3)]
    lost = remote_bench.store(os.urandom(size), name="lost.bin")
    name = next(name for name in names(objects, store_address) if lost.id.hex in name)
    objects.delete([f"{store_address.prefix}/{name}"])
    remote_bench.clock.advance(hours=1, minutes=5)
    assert remote_bench.services.cleanup.run().missing_files == [str(lost.id)]
    verdict = remote_bench.services.verification.run()
    assert [fault.name for fault in verdict.faults] == ["lost.bin"]
    assert sum(tally.count for tally in verdict.checked.values()) == len(whole) + 1


def test_damaged_bytes_are_told_by_verify(remote_bench: Bench, objects: Objects, store_address: StoreAddress) -> None:
    files = [remote_bench.store(os.urandom(1000), name=f"{number}.bin") for number in range(20)]
    objects.put(RoomLayout(store_address.prefix, FILES).own_name(files[7].id), [bytes(1000)])
    verdict = remote_bench.services.verification.run()
    assert [(fault.name, fault.problem) for fault in verdict.faults] == [("7.bin", Problem.DAMAGED)]


def test_what_is_deleted_takes_what_never_counted_with_it(
    remote_bench: Bench, objects: Objects, store_address: StoreAddress
) -> None:
    kept = remote_bench.append(0, b"abc", total=6)
    store = remote_bench.services.store
    assert isinstance(store, RemoteStore)
    objects.put(store.backing.layout.new_piece_name(kept.id.hex), [b"never counted"])
    remote_bench.services.files.delete(remote_bench.account_id, "log.bin")
    assert names(objects, store_address) == []


def test_a_file_whose_end_somebody_holds_is_whole_and_becomes_one_object(remote_bench: Bench) -> None:
    begun = remote_bench.append(0, b"abc", total=6)
    with remote_bench.services.store.claims.lock(begun.id, Span(6, END), wait_seconds=0):  # perhaps a dead one
        file = remote_bench.append(3, b"def", total=6)
    assert file.is_complete
    assert compact(remote_bench) == 1
    assert remote_bench.content(file) == b"abcdef"


def test_cleanup_tells_the_worker_of_whole_files_and_of_no_others(remote_bench: Bench) -> None:
    for name in ("whole.bin", "compacted.bin", "begun.bin"):
        remote_bench.append(0, b"abc", name, total=6)
        if name != "begun.bin":
            remote_bench.append(3, b"def", name, total=6)
        if name == "compacted.bin":
            assert compact(remote_bench) == 2
    whole = remote_bench.append(0, b"abc", "again.bin", total=6)
    remote_bench.append(3, b"def", "again.bin", total=6)
    with remote_bench.services.database.write() as session:
        session.execute(delete(ScatteredBlob))
    remote_bench.services.cleanup.run(dry_run=True)
    assert compact(remote_bench) == 0
    remote_bench.services.cleanup.run()
    with remote_bench.services.database.read() as session:
        assert session.execute(select(ScatteredBlob.key, ScatteredBlob.length)).all() == [(whole.id.hex, 6)]
    assert compact(remote_bench) == 1
