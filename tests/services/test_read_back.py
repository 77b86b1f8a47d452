"""Reading back what is stored far away: in order, some requests at once and no more, and nothing left of it."""

import hashlib
import random
import uuid
import zlib
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.live.server import wait_until
from tests.storage.memory import MemoryStore
from tests.stores import put
from transfer_service.errors import BlobMissing
from transfer_service.services import read_back as module
from transfer_service.services.digests import RunningDigests
from transfer_service.services.file_digest import FileDigest
from transfer_service.services.read_back import AT_ONCE, BLOCK_BYTES, read_back
from transfer_service.services.steps import Aside
from transfer_service.storage.rooms import FILES
from transfer_service.threads import T
from transfer_service.wire.ranges import Span

SIZE = 4 * BLOCK_BYTES + 77
DATA = random.Random(4).randbytes(SIZE)
MOST_BYTES = 24 * 1024 * 1024


def run_inline(work: Callable[[], T], /) -> T:
    return work()


@pytest.fixture
def blob_id() -> uuid.UUID:
    return uuid.uuid4()


@pytest.fixture
def store(blob_id: uuid.UUID) -> MemoryStore:
    made = MemoryStore(FILES, is_remote=True)
    put(made, blob_id, DATA)
    return made


@pytest.mark.parametrize(
    "span", [Span(0, SIZE), Span(5, SIZE), Span(BLOCK_BYTES, BLOCK_BYTES + 1), Span(7, 7)], ids=str
)
def test_a_span_comes_in_its_order(store: MemoryStore, blob_id: uuid.UUID, span: Span) -> None:
    blocks = list(read_back(store, blob_id, span))
    assert b"".join(blocks) == DATA[span.start : span.stop]
    ends = [span.start + sum(map(len, blocks[: count + 1])) for count in range(len(blocks))]
    assert all(end % BLOCK_BYTES == 0 for end in ends[:-1])
    assert all(len(block) <= BLOCK_BYTES for block in blocks)


def test_several_requests_are_on_their_way_and_never_more(store: MemoryStore, blob_id: uuid.UUID) -> None:
    store.may_read.clear()
    reading = Aside(lambda: list(read_back(store, blob_id, Span(0, SIZE))))
    wait_until(lambda: len(store.reads) == AT_ONCE)
    assert not reading.wait(0.1)
    assert (len(store.reads), AT_ONCE * BLOCK_BYTES <= MOST_BYTES) == (AT_ONCE, True)
    store.may_read.set()
    assert b"".join(reading.result()) == DATA


def test_who_stops_in_between_leaves_nothing_under_way(store: MemoryStore, blob_id: uuid.UUID) -> None:
    with closing(read_back(store, blob_id, Span(0, SIZE))) as blocks:
        next(blocks)
    begun = len(store.reads)
    assert begun <= AT_ONCE
    assert b"".join(read_back(store, blob_id, Span(0, 10))) == DATA[:10]
    assert len(store.reads) == begun + 1


def test_a_blob_that_is_too_short_or_gone_is_missing(store: MemoryStore, blob_id: uuid.UUID) -> None:
    with pytest.raises(BlobMissing):
        list(read_back(store, blob_id, Span(0, SIZE + 1)))
    store.delete(blob_id)
    with pytest.raises(BlobMissing):
        list(read_back(store, blob_id, Span(0, SIZE)))


def test_only_what_was_not_hashed_on_its_way_is_read(store: MemoryStore, blob_id: uuid.UUID) -> None:
    digests = RunningDigests(store=store, offload=run_inline)
    digests.add(blob_id, 0, [DATA[:1000], DATA[1000:5000]])
    digests.add(blob_id, 3000, [b"of a chunk that was sent again"])
    digests.add(blob_id, 9000, [b"further on"])
    digests.make_headway(blob_id, SIZE)
    assert (store.reads, digests.is_near(blob_id, 5000), digests.is_near(blob_id, 5001)) == ([], True, False)
    assert digests.digest(blob_id, SIZE) == FileDigest(hashlib.sha256(DATA).hexdigest(), zlib.crc32(DATA))
    assert min(span.start for span in store.reads) == 5000
    assert digests.digest(blob_id, SIZE) == FileDigest(hashlib.sha256(DATA).hexdigest(), zlib.crc32(DATA))
    assert sum(span.size for span in store.reads) == SIZE - 5000


def test_what_was_read_before_a_failure_is_not_read_again(
    store: MemoryStore, blob_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 1)
    digests = RunningDigests(store=store, offload=run_inline)
    with pytest.raises(BlobMissing):
        digests.digest(blob_id, SIZE + 1)
    begun = len(store.reads)
    assert digests.digest(blob_id, SIZE) == FileDigest(hashlib.sha256(DATA).hexdigest(), zlib.crc32(DATA))
    assert sum(span.size for span in store.reads[begun:]) == SIZE % BLOCK_BYTES
