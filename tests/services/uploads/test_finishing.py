"""The last step of a resumable upload: verified, flushed, named."""

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from tests.live.server import wait_until
from tests.services.uploads.bench import (
    Append,
    Client,
    Uploads,
    announced,
    any_uploads,
    make_uploads,
    repr_digest,
    uploads,
)
from transfer_service.errors import (
    BodyCutShort,
    DigestMismatch,
    InvalidRequest,
    RangeBusy,
    ReadFailed,
    UploadEnded,
    UploadFinished,
)
from transfer_service.models.files import File
from transfer_service.patience import LOCK_WAIT_SECONDS
from transfer_service.services.steps import LOOK_SECONDS
from transfer_service.services.uploads.rows import UploadRecord
from transfer_service.storage.blobs import END
from transfer_service.wire.ranges import Span

__all__ = ["any_uploads", "make_uploads", "uploads"]

MEBIBYTE = 1024 * 1024


def crash_before_the_finish(uploads: Uploads, upload: UploadRecord, data: bytes) -> None:
    """What a crash between the last commit and the finish leaves: every byte counts, and the file is none."""
    uploads.send(upload, 0, data[:-1])
    with uploads.services.store.open_writer(
        upload.id, Span(len(data) - 1, END), create=False, wait_seconds=0
    ) as writer:
        writer.write(len(data) - 1, [data[-1:]])
    with uploads.services.database.write() as session:
        session.execute(update(File).where(File.id == upload.id).values(received_bytes=len(data)))


@pytest.mark.parametrize("call", ["get", "look", "append", "cleanup"])
def test_a_crash_before_the_last_step_is_made_good(any_uploads: Uploads, call: str) -> None:
    upload = any_uploads.begin(5)
    crash_before_the_finish(any_uploads, upload, b"01234")
    restarted = any_uploads.another_instance()
    if call == "cleanup":
        restarted.clock.advance(hours=25)
        assert restarted.services.cleanup.run().removed.stale_uploads.count == 0
    else:
        calls: dict[str, Callable[[], UploadRecord]] = {
            "get": lambda: restarted.get(upload),
            "look": lambda: restarted.look(upload),
            "append": lambda: restarted.send(upload, 5),
        }
        assert calls[call]().is_finished
    assert (restarted.file(), restarted.names()) == (b"01234", ["log.bin"])


def test_an_upload_whose_bytes_cannot_be_read_stays_unfinished(uploads: Uploads) -> None:
    upload = uploads.begin(5)
    crash_before_the_finish(uploads, upload, b"01234")
    path = uploads.settings.blob_dir / upload.id.hex[:2] / upload.id.hex
    path.rename(aside := path.with_suffix(".aside"))
    assert uploads.error_of(lambda: uploads.get(upload)) in (UploadEnded, ReadFailed)
    aside.rename(path)
    assert uploads.get(upload).is_finished
    assert uploads.file() == b"01234"


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
@pytest.mark.parametrize("when", ["beginning", "end"])
def test_a_promised_digest_is_verified(any_uploads: Uploads, algorithm: str, when: str) -> None:
    promise = repr_digest(b"abcdef", algorithm)
    upload = any_uploads.begin(6, repr_digest=promise if when == "beginning" else None)
    any_uploads.send(upload, 0, b"abc")
    last = any_uploads.send(upload, 3, b"def", repr_digest=promise if when == "end" else None)
    assert last.is_finished
    assert any_uploads.file() == b"abcdef"


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
def test_bytes_that_were_not_promised_finish_nothing_until_the_promise_is_right(
    any_uploads: Uploads, algorithm: str
) -> None:
    upload = any_uploads.begin_ietf(6, repr_digest=repr_digest(b"other!", algorithm))
    with pytest.raises(DigestMismatch):
        any_uploads.send(upload, 0, b"abcdef", is_last=True)
    looks = [any_uploads.look(upload), any_uploads.get(upload)]
    assert [(look.offset, look.is_finished) for look in looks] == [(6, False), (6, False)]
    assert (any_uploads.names(), any_uploads.find()) == ([], None)
    assert any_uploads.send(upload, 6, is_last=True, repr_digest=repr_digest(b"abcdef", algorithm)).is_finished
    assert any_uploads.file() == b"abcdef"


@pytest.mark.parametrize("right", [("sha-256",), ("sha-512",)])
def test_of_two_promised_digests_both_must_hold(uploads: Uploads, right: tuple[str]) -> None:
    promises = [repr_digest(b"abc" if name in right else b"xyz", name) for name in ("sha-256", "sha-512")]
    upload = uploads.begin(3, repr_digest=", ".join(promises))
    assert uploads.error_of(lambda: uploads.send(upload, 0, b"abc")) is DigestMismatch
    assert uploads.names() == []


def test_a_promise_in_unknown_words_is_none(uploads: Uploads) -> None:
    upload = uploads.begin(3, repr_digest="md5=:AAAA:")
    assert uploads.send(upload, 0, b"abc").is_finished
    assert uploads.file() == b"abc"


def test_an_upload_that_does_not_keep_its_promise_can_be_cancelled(uploads: Uploads) -> None:
    upload = uploads.begin(3, repr_digest=repr_digest(b"xyz"))
    uploads.error_of(lambda: uploads.send(upload, 0, b"abc"))
    uploads.cancel(upload)
    assert (uploads.blobs(), uploads.used_bytes()) == (set(), 0)


def test_taken_names_are_numbered_when_the_file_is_whole(any_uploads: Uploads) -> None:
    first, second = any_uploads.begin(1, "photo.jpg"), any_uploads.begin(1, "photo.jpg")
    assert any_uploads.send(second, 0, b"2").name == "photo.jpg"
    assert any_uploads.send(first, 0, b"1").name == "photo (2).jpg"
    assert (any_uploads.file("photo.jpg"), any_uploads.file("photo (2).jpg")) == (b"2", b"1")


def test_overwriting_replaces_the_file_when_the_new_one_is_whole(any_uploads: Uploads) -> None:
    old = any_uploads.store(b"old bytes")
    upload = any_uploads.begin(5, overwrite=True)
    any_uploads.send(upload, 0, b"new")
    assert any_uploads.file() == b"old bytes"
    any_uploads.send(upload, 3, b"er")
    assert (any_uploads.file(), any_uploads.names(), any_uploads.used_bytes()) == (b"newer", ["log.bin"], 5)
    assert old.id not in any_uploads.blobs()


def test_an_upload_that_was_overwritten_is_gone(uploads: Uploads) -> None:
    old = uploads.send(uploads.begin(3), 0, b"old")
    uploads.send(uploads.begin(3, overwrite=True), 0, b"new")
    assert uploads.error_of(lambda: uploads.get(old)) is UploadEnded
    assert uploads.file() == b"new"


def test_a_cancelled_overwrite_leaves_the_file(uploads: Uploads) -> None:
    uploads.store(b"old")
    upload = uploads.begin(3, overwrite=True)
    uploads.send(upload, 0, b"ne")
    uploads.cancel(upload)
    assert (uploads.file(), uploads.used_bytes()) == (b"old", 3)


@pytest.mark.parametrize("durability", ["process", "complete", "ack"])
@pytest.mark.parametrize("size", [5, 3 * MEBIBYTE, 20 * MEBIBYTE])
def test_a_file_has_its_digest_whatever_went_wrong_on_the_way(
    make_uploads: Callable[..., Uploads], durability: str, size: int
) -> None:
    uploads = make_uploads(durability=durability)
    data = bytes(range(256)) * (size // 256 + 1)
    blocks = [data[start : start + 65536] for start in range(0, size, 65536)]
    blocks[-1] = blocks[-1][: size % 65536 or 65536]
    content, half = b"".join(blocks), len(blocks) // 2
    upload = uploads.begin(size)
    with pytest.raises(BodyCutShort):
        uploads.put(upload, atomic_and_cut_short(blocks[: half + 1]), offset=0)
    with pytest.raises(BodyCutShort):
        uploads.stream(upload, 0, *blocks[:half], Client.PAUSES, Client.LEAVES)
    offset = uploads.get(upload).offset
    with pytest.raises(InvalidRequest):
        uploads.put(upload, announced(content[offset:], is_atomic=True, is_damaged=True), offset=offset)
    uploads.another_instance().stream(upload, offset, content[offset : offset + 1])
    assert uploads.stream(upload, offset + 1, *cut(content[offset + 1 :])).is_finished
    assert uploads.file() == uploads.stored(upload) == content


def cut(data: bytes) -> list[bytes]:
    return [data[start : start + 100_000] for start in range(0, len(data), 100_000)]


def atomic_and_cut_short(blocks: list[bytes]) -> Append:
    return Append([*blocks, Client.LEAVES], is_atomic=True)


@pytest.mark.parametrize("size", [5, 17 * MEBIBYTE])
def test_what_somebody_finishes_during_an_empty_append_stays_finished(any_uploads: Uploads, size: int) -> None:
    upload, data = any_uploads.begin(size), bytes(size)
    crash_before_the_finish(any_uploads, upload, data)
    one, other = any_uploads.another_instance(), any_uploads.another_instance()
    assert one.error_of(lambda: one.stream(upload, size, lambda: other.get(upload))) in (None, UploadFinished)
    assert (one.file() == data, one.names(), one.get(upload).is_finished) == (True, ["log.bin"], True)


def test_who_looks_does_not_wait_for_a_finish_that_takes_long(uploads: Uploads) -> None:
    """Another process holds the database meanwhile: as slow as gigabytes to hash, and as long as the test wants."""
    upload = uploads.begin(5)
    crash_before_the_finish(uploads, upload, b"01234")
    with sqlite3.connect(uploads.settings.data_dir / "transfer.sqlite3", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        began_at = time.monotonic()
        told = [uploads.look(upload), uploads.get(upload)]
        seconds = time.monotonic() - began_at
        other.execute("ROLLBACK")
    assert [(each.offset, each.is_finished) for each in told] == [(5, False)] * 2
    assert LOOK_SECONDS <= seconds < LOCK_WAIT_SECONDS / 2
    wait_until(lambda: uploads.find() is not None)  # the step went on
    assert (uploads.get(upload).is_finished, uploads.file()) == (True, b"01234")


def test_a_finish_under_way_is_not_cut_by_who_looks(uploads: Uploads) -> None:
    """Its last byte has come, so nothing is left to end: who asks meanwhile is told to ask again."""
    upload, other = uploads.begin(5), uploads.another_instance()
    uploads.send(upload, 0, b"01")
    path = uploads.settings.data_dir / "transfer.sqlite3"
    with ThreadPoolExecutor(1) as pool, sqlite3.connect(path, isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        finishing = pool.submit(uploads.send, upload, 2, b"234")
        wait_until(lambda: uploads.services.store.claims.is_in_use(upload.id))
        began_at = time.monotonic()
        assert other.error_of(lambda: other.look(upload)) is RangeBusy
        assert time.monotonic() - began_at < LOCK_WAIT_SECONDS / 2
        writer.execute("ROLLBACK")
        assert finishing.result(30).is_finished
    assert (other.look(upload).is_finished, uploads.file()) == (True, b"01234")
