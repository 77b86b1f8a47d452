"""Bytes that a network damages on their way from an object store: nothing wrong is kept, and nobody is refused."""

import hashlib
import os
from collections.abc import Callable

import pytest

from tests.faulty_store import FaultyStore, damaged_once, faulty_store
from tests.services.conftest import Bench
from transfer_service.bootstrap import build_compaction
from transfer_service.errors import RangeConflict
from transfer_service.services import digests
from transfer_service.storage.s3 import connection

__all__ = ["faulty_store"]

DATA = os.urandom(300_000)
THIRD = len(DATA) // 3


@pytest.fixture
def bench(make_bench: Callable[..., Bench], faulty_store: FaultyStore, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(connection, "PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(digests, "EARLY_BYTES", 0)  # as if other instances had received what comes early
    made = make_bench(storage_url=faulty_store.url)
    faulty_store.always = damaged_once()
    return made


def append_all(bench: Bench, start: int = 0, *, is_compacted: bool = False) -> None:
    """The chunks of a file, the last one first: all is read back at its end; then maybe made one object."""
    for offset in (start + 2 * THIRD, start + THIRD, start):
        bench.append(offset, DATA[offset - start : offset - start + THIRD])
    if is_compacted:
        compact(bench)


def compact(bench: Bench) -> None:
    """Make one object of each file, of which the store has no checksum: it was made of a part."""
    work = build_compaction(bench.services.core)
    assert work is not None
    assert work() == 1


def sha256_of(bench: Bench) -> str | None:
    file = bench.find()
    assert file is not None
    return file.sha256


def test_the_digest_of_what_is_read_back_is_that_of_the_file(bench: Bench) -> None:
    append_all(bench)
    assert sha256_of(bench) == hashlib.sha256(DATA).hexdigest()


def test_also_where_it_grows_after_it_has_become_one_object(bench: Bench, faulty_store: FaultyStore) -> None:
    append_all(bench, is_compacted=True)
    faulty_store.always = damaged_once()
    append_all(bench, len(DATA))
    assert sha256_of(bench) == hashlib.sha256(DATA + DATA).hexdigest()


@pytest.mark.parametrize("is_compacted", [False, True], ids=["piece", "object"])
def test_a_chunk_that_comes_again_is_what_is_stored_and_another_one_is_not(
    bench: Bench, faulty_store: FaultyStore, is_compacted: bool
) -> None:
    append_all(bench, is_compacted=is_compacted)
    faulty_store.always = damaged_once()
    bench.append(THIRD, DATA[THIRD : 2 * THIRD], total=len(DATA))
    bench.append(THIRD + 10, DATA[THIRD + 10 : THIRD + 1000], total=len(DATA))
    with pytest.raises(RangeConflict):
        bench.append(THIRD, DATA[:THIRD], total=len(DATA))


@pytest.mark.parametrize("is_compacted", [False, True], ids=["pieces", "object"])
def test_verify_finds_no_fault_of_the_network_and_each_of_the_store(
    bench: Bench, faulty_store: FaultyStore, is_compacted: bool
) -> None:
    append_all(bench, is_compacted=is_compacted)
    faulty_store.always = damaged_once()
    assert bench.services.verification.run().faults == []
    file = bench.find()
    assert file is not None
    with bench.services.database.write_rows() as rows:
        rows.exec_driver_sql(f"UPDATE files SET sha256 = '{'0' * 64}'")
    faulty_store.always = damaged_once()
    assert [fault.problem for fault in bench.services.verification.run().faults] == ["damaged"]
