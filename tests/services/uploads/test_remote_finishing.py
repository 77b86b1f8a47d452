"""The last step of uploads over several instances with a remote store: nobody waits long, and it is done once."""

import hashlib
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.live.server import wait_until
from tests.services.uploads.bench import Uploads, announced, make_uploads, repr_digest
from tests.storage.memory import MemoryStore, RemoteMemoryWriter
from transfer_service import bootstrap
from transfer_service.errors import (
    BlobMissing,
    ChecksumMismatch,
    ClaimLost,
    DigestMismatch,
    StoreUnavailable,
    TransferError,
    UploadEnded,
)
from transfer_service.services import digests, steps
from transfer_service.services.file_digest import digest_of
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.files.small_files import SmallFiles
from transfer_service.services.uploads import finishing
from transfer_service.services.uploads.appends import Appends
from transfer_service.services.uploads.rows import UploadRecord
from transfer_service.services.uploads.whole_files import WholeFileService
from transfer_service.storage.blobs import WHOLE
from transfer_service.storage.rooms import Room
from transfer_service.wire.ranges import Span

__all__ = ["make_uploads"]

DATA = hashlib.shake_128(b"three instances").digest(3_000_000)
THIRD = len(DATA) // 3


@pytest.fixture
def uploads(make_uploads: Callable[..., Uploads], monkeypatch: pytest.MonkeyPatch) -> Uploads:
    """On a store that all instances of a test share."""

    @cache
    def in_memory(_root: Path, room: Room) -> MemoryStore:
        return MemoryStore(room, is_remote=True)

    monkeypatch.setattr(bootstrap, "DiskStore", in_memory)
    return make_uploads()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who brings the last byte does not wait for what takes long."""
    monkeypatch.setattr(finishing, "ANSWER_SECONDS", 0.2)


def store_of(uploads: Uploads) -> MemoryStore:
    store = uploads.services.store
    assert isinstance(store, MemoryStore)
    return store


def hash_lock(store: MemoryStore) -> list[bool]:
    """Whether each of those is held that wait for their turn to read a file back, or have it."""
    return [each.is_held for each in store.claims.locks if each.name.startswith("hash-")]


def test_what_one_instance_has_hashed_on_its_way_is_never_read(uploads: Uploads) -> None:
    upload = uploads.begin(len(DATA))
    uploads.send(upload, 0, DATA[:THIRD])
    assert uploads.send(uploads.get(upload), THIRD, DATA[THIRD:]).is_finished
    assert (store_of(uploads).reads, store_of(uploads).sealed) == ([], [upload.id.hex])
    assert uploads.file() == DATA


def test_an_upload_over_three_instances_is_read_back_once(uploads: Uploads) -> None:
    upload, instances = uploads.begin(len(DATA)), [uploads, uploads.another_instance(), uploads.another_instance()]
    for number, instance in enumerate(instances):
        last = instance.send(instance.get(upload), number * THIRD, DATA[number * THIRD : (number + 1) * THIRD])
    assert last.is_finished
    assert sum(span.size for span in store_of(uploads).reads) == len(DATA)
    assert [instance.look(upload).is_finished for instance in instances] == [True] * 3
    assert uploads.file() == DATA


@pytest.mark.usefixtures("hasty")
def test_the_last_byte_counts_though_the_step_goes_on_and_the_retry_finds_it_done(uploads: Uploads) -> None:
    upload, other = uploads.begin(len(DATA)), uploads.another_instance()
    uploads.send(upload, 0, DATA[:THIRD])
    store_of(uploads).may_read.clear()
    told = other.send(other.get(upload), THIRD, DATA[THIRD:])
    seen = [uploads.look(upload), other.look(upload), uploads.get(upload)]
    assert [(each.offset, each.is_finished) for each in (told, *seen)] == [(len(DATA), False)] * 4
    assert sorted(hash_lock(store_of(uploads))) == [False, True]  # one reads, the other waits for its turn
    store_of(uploads).may_read.set()
    wait_until(lambda: uploads.look(upload).is_finished)
    assert (other.look(upload).is_finished, other.file()) == (True, DATA)
    wait_until(lambda: hash_lock(store_of(uploads)) == [])
    assert sum(span.size for span in store_of(uploads).reads if span.size > 100) <= 2 * len(DATA)


@pytest.mark.usefixtures("hasty")
def test_who_asks_again_by_an_empty_append_finds_it_done_too(uploads: Uploads) -> None:
    upload, other = uploads.begin(len(DATA)), uploads.another_instance()
    uploads.send(upload, 0, DATA[:THIRD])
    store_of(uploads).may_read.clear()
    other.send(other.get(upload), THIRD, DATA[THIRD:])
    assert not uploads.send(upload, len(DATA)).is_finished
    store_of(uploads).may_read.set()
    wait_until(lambda: uploads.send(upload, len(DATA)).is_finished)
    assert uploads.file() == DATA


@pytest.mark.usefixtures("hasty")
def test_an_empty_append_that_meets_the_end_of_the_step_is_told_that_it_is_done(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step ends after the append has looked, and before it commits that it brings nothing."""
    upload, other = uploads.begin(len(DATA)), uploads.another_instance()
    uploads.send(upload, 0, DATA[:THIRD])
    store_of(uploads).may_read.clear()
    assert not other.send(other.get(upload), THIRD, DATA[THIRD:]).is_finished
    commit = Appends._commit

    def commit_late(*arguments: Any) -> UploadRecord:
        store_of(uploads).may_read.set()
        wait_until(lambda: uploads.get(upload).is_finished)
        return commit(*arguments)

    monkeypatch.setattr(Appends, "_commit", commit_late)
    told = uploads.send(upload, len(DATA))
    assert (told.is_finished, told.file) == (True, uploads.get(upload).file)
    assert uploads.file() == DATA


@pytest.mark.usefixtures("hasty")
def test_an_instance_that_dies_while_it_reads_is_followed(uploads: Uploads) -> None:
    """A dead holder's lock goes by itself (`Claims`): until then another instance waits, and then it takes the step."""
    upload, other = uploads.begin(len(DATA)), uploads.another_instance()
    uploads.send(upload, 0, DATA[:THIRD])
    died = threading.Event()
    with store_of(uploads).claims.lock(f"hash-{upload.id.hex}", WHOLE, wait_seconds=0):  # of one that is dying
        told = other.send(other.get(upload), THIRD, DATA[THIRD:])
        assert (told.is_finished, store_of(uploads).reads) == (False, [])
        died.set()
    wait_until(lambda: other.look(upload).is_finished)
    assert (died.is_set(), other.file()) == (True, DATA)


@pytest.mark.usefixtures("hasty")
def test_an_upload_that_was_cancelled_meanwhile_is_gone(uploads: Uploads) -> None:
    upload, other = uploads.begin(len(DATA)), uploads.another_instance()
    uploads.send(upload, 0, DATA[:THIRD])
    with store_of(uploads).claims.lock(f"hash-{upload.id.hex}", WHOLE, wait_seconds=0):
        other.send(other.get(upload), THIRD, DATA[THIRD:])
        uploads.cancel(upload)
    assert other.error_of(lambda: other.look(upload)) is UploadEnded
    wait_until(lambda: hash_lock(store_of(uploads)) == [])
    assert (store_of(uploads).blobs, uploads.used_bytes(), uploads.names()) == ({}, 0, [])


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
def test_other_bytes_than_promised_stay_unfinished_at_every_instance(uploads: Uploads, algorithm: str) -> None:
    upload, other = uploads.begin(len(DATA), repr_digest=repr_digest(b"others", algorithm)), uploads.another_instance()
    uploads.send(upload, 0, DATA[:THIRD])
    assert other.error_of(lambda: other.send(other.get(upload), THIRD, DATA[THIRD:])) is DigestMismatch
    assert [each.look(upload).is_finished for each in (uploads, other)] == [False, False]
    assert uploads.names() == []


def test_parts_become_a_whole_over_instances(uploads: Uploads) -> None:
    other = uploads.another_instance()
    parts = [uploads.part(DATA[:THIRD]), other.part(DATA[THIRD:])]
    final = other.concatenate(*parts)
    assert final.is_finished
    assert uploads.file("joined.bin") == DATA


def test_an_empty_upload_is_a_file_of_the_store(uploads: Uploads) -> None:
    upload = uploads.begin(0)
    assert (upload.is_finished, uploads.file(), store_of(uploads).size(upload.id)) == (True, b"", 0)


def test_chunks_in_their_order_are_hashed_on_their_way(uploads: Uploads) -> None:
    chunks = [Span(start, min(start + 400_000, len(DATA))) for start in range(0, len(DATA), 400_000)]
    for span in chunks:
        status = uploads.append(span.start, DATA[span.start : span.stop], total=len(DATA))
    assert (status.is_complete, store_of(uploads).reads) == (True, [])
    assert uploads.file() == DATA


@pytest.mark.parametrize(("most", "are_read"), [(2_000_000, False), (500_000, True)], ids=["some", "too-many"])
def test_chunks_that_come_early_are_hashed_in_their_turn(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch, most: int, are_read: bool
) -> None:
    monkeypatch.setattr(digests, "EARLY_BYTES", most)
    chunks = [Span(start, min(start + 400_000, len(DATA))) for start in range(0, len(DATA), 400_000)]
    for span in [*chunks[3::-1], *chunks[:3:-1]]:
        status = uploads.append(span.start, DATA[span.start : span.stop], total=len(DATA))
    assert (status.is_complete, bool(store_of(uploads).reads)) == (True, are_read)
    assert uploads.file() == DATA


def test_the_last_chunk_counts_though_the_step_goes_on(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer_service.services.uploads.chunks.ANSWER_SECONDS", 0.1)
    monkeypatch.setattr("transfer_service.services.files.files.LOOK_SECONDS", 0.1)
    other = uploads.another_instance()
    uploads.append(THIRD, DATA[THIRD : 2 * THIRD], total=len(DATA))
    other.append(0, DATA[:THIRD], total=len(DATA))
    store_of(uploads).may_read.clear()
    told = uploads.append(2 * THIRD, DATA[2 * THIRD :], total=len(DATA))
    seen = other.find()
    assert seen is not None
    assert [(each.received_bytes, each.is_complete) for each in (told, seen)] == [(len(DATA), False)] * 2
    store_of(uploads).may_read.set()
    wait_until(lambda: (found := other.find()) is not None and found.is_complete)
    assert (uploads.file(), other.file()) == (DATA, DATA)


def test_what_waits_is_short_for_clients_and_long_for_instances() -> None:
    assert steps.LOOK_SECONDS < steps.ANSWER_SECONDS < 10 < digests.TURN_SECONDS


@pytest.mark.usefixtures("hasty")
def test_a_blob_that_is_lost_is_told_of(uploads: Uploads) -> None:
    upload, other = uploads.begin(len(DATA)), uploads.another_instance()
    uploads.send(upload, 0, DATA[:THIRD])
    with store_of(uploads).claims.lock(f"hash-{upload.id.hex}", WHOLE, wait_seconds=0):
        other.send(other.get(upload), THIRD, DATA[THIRD:])
        store_of(uploads).delete(upload.id)
    wait_until(lambda: hash_lock(store_of(uploads)) == [])
    assert other.error_of(lambda: other.look(upload)) in (UploadEnded, BlobMissing)
    assert uploads.names() == []


def test_appends_with_checksums_are_hashed_on_their_way_and_wrong_ones_taken_back(uploads: Uploads) -> None:
    upload, blocks = uploads.begin(len(DATA)), [DATA[:THIRD], DATA[THIRD:]]
    for number, block in enumerate(blocks):
        damaged = announced(bytes(len(block)), is_atomic=True, is_damaged=True)
        with pytest.raises(ChecksumMismatch):
            uploads.put(uploads.get(upload), damaged, offset=number * THIRD)
        last = uploads.put(uploads.get(upload), announced(block, is_atomic=True), offset=number * THIRD)
    assert (last.is_finished, store_of(uploads).reads) == (True, [])
    assert uploads.file() == DATA


def test_what_was_hashed_before_a_broken_append_is_not_read_again(uploads: Uploads) -> None:
    upload = uploads.begin(len(DATA))
    uploads.send(upload, 0, DATA[:THIRD])
    store_of(uploads).is_away = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            uploads.send(uploads.get(upload), THIRD, DATA[THIRD : 2 * THIRD])
    store_of(uploads).is_away = False
    assert uploads.send(uploads.get(upload), THIRD, DATA[THIRD:]).is_finished
    assert store_of(uploads).reads == []
    assert uploads.file() == DATA


def test_a_small_file_waits_for_the_store_outside_of_the_thread_pool(uploads: Uploads) -> None:
    def refuse(_work: object) -> NoReturn:
        raise AssertionError("a thread of the pool waits for the store")

    core = replace(uploads.services.core, offload=refuse)
    stored, _ = SmallFiles(core, files=uploads.services.files).store(
        new_file(uploads), [DATA[:5000]], digest_of([DATA[:5000]])
    )
    assert (stored.is_complete, uploads.file()) == (True, DATA[:5000])


def new_file(uploads: Uploads) -> FileRecord:
    now = uploads.clock()
    return FileRecord(uuid.uuid4(), uploads.account_id, "log.bin", True, "text/plain", created_at=now, updated_at=now)


@pytest.mark.parametrize("more", [0, THIRD], ids=["no-more", "the-rest"])
def test_who_was_buried_is_told_so_though_the_file_is_whole_by_now(uploads: Uploads, more: int) -> None:
    """Nothing is wrong with its bytes: they are there already, or to be sent again."""
    upload, other, claims = uploads.begin(len(DATA)), uploads.another_instance(), store_of(uploads).claims
    uploads.send(upload, 0, DATA[:THIRD])

    def finish_elsewhere() -> None:
        for lock in claims.locks:
            lock.name, lock.is_held = "buried", False
        assert other.send(other.get(upload), THIRD, DATA[THIRD:]).is_finished
        claims.are_lost = True

    with pytest.raises(ClaimLost):
        uploads.send(uploads.get(upload), THIRD, DATA[THIRD:-THIRD], finish_elsewhere, DATA[-THIRD:][:more])
    claims.are_lost = False
    assert (uploads.get(upload).is_finished, uploads.file()) == (True, DATA)


@pytest.mark.parametrize("failure", [ClaimLost, StoreUnavailable])
def test_a_client_is_told_of_its_own_mistake_where_tidying_fails_too(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch, failure: type[TransferError]
) -> None:
    def fail(*_: object) -> NoReturn:
        raise failure

    upload, wrong = uploads.begin(len(DATA)), hashlib.sha256(b"others").digest()
    parts = [uploads.part(DATA[:THIRD]) for _ in range(2)]
    monkeypatch.setattr(RemoteMemoryWriter, "copy", missing)
    monkeypatch.setattr(RemoteMemoryWriter, "cut", fail)
    monkeypatch.setattr(MemoryStore, "size", fail)
    monkeypatch.setattr(WholeFileService, "_remove_unfinished", fail)
    damaged = announced(DATA, is_atomic=True, is_damaged=True)
    assert [
        uploads.error_of(lambda: uploads.put(upload, damaged, offset=0)),
        uploads.error_of(lambda: uploads.append(0, DATA, total=len(DATA), failure=ChecksumMismatch())),
        uploads.error_of(lambda: uploads.store(DATA, "whole.bin", length=len(DATA), digests=[wrong])),
        uploads.error_of(lambda: uploads.concatenate(*parts)),
    ] == [ChecksumMismatch, ChecksumMismatch, DigestMismatch, UploadEnded]


def missing(*_: object, to: int) -> NoReturn:  # noqa: ARG001 - as the Protocol has it
    raise BlobMissing
