"""An installation on an object store over its days: chunks, whole files, joins, compaction, deletion, cleanup."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.services.conftest import Bench
from transfer_service.bootstrap import build_compaction
from transfer_service.storage.s3.objects import Objects
from transfer_service.storage.s3.outgoing import PIECE_BYTES
from transfer_service.storage.s3.store import RemoteStore
from transfer_service.wire.store_addresses import StoreAddress

MIB = 1024 * 1024


@pytest.fixture
def remote_bench(make_bench: Callable[..., Bench], object_store_url: str) -> Iterator[Bench]:
    yield make_bench(storage_url=object_store_url)


def names(objects: Objects, address: StoreAddress) -> list[str]:
    """All objects, without the marks of the rooms."""
    found = [each.name for page in objects.list(f"{address.prefix}/") for each in page]
    return [name.removeprefix(f"{address.prefix}/") for name in found if "/marks/" not in name]


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


def test_cleanup_removes_what_killed_writers_left_and_nothing_else(
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
    file = remote_bench.append(3, b"def", total=6)
    assert remote_bench.content(file) == b"abcdef"


def test_what_is_deleted_takes_what_never_counted_with_it(
    remote_bench: Bench, objects: Objects, store_address: StoreAddress
) -> None:
    kept = remote_bench.append(0, b"abc", total=6)
    store = remote_bench.services.store
    assert isinstance(store, RemoteStore)
    objects.put(store.backing.layout.new_piece_name(kept.id.hex), [b"never counted"])
    remote_bench.services.files.delete(remote_bench.account_id, "log.bin")
    assert names(objects, store_address) == []
