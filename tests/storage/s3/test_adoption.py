"""Blobs that get the bytes of whole ones in another room of an object store."""

import uuid

import pytest

from tests.storage.s3.memory_objects import Bucket, MemoryObjects
from tests.storage.s3.rig import Claim, Rig, forget_pieces
from transfer_service.db.database import Database
from transfer_service.errors import BlobMissing, ClaimLost
from transfer_service.storage.rooms import ATTACHMENTS
from transfer_service.storage.s3.adoption import Adoption
from transfer_service.storage.s3.compaction import CompactedRoom, Compaction
from transfer_service.storage.s3.pieces import Piece
from transfer_service.wire.ranges import Span

FILE = uuid.UUID(int=7)
KEY = f"{'a' * 24}/photo.jpg"
MOVED = ("put", "get", "get_whole", "put_part")


class Free:
    """Claims that nobody else wants."""

    def lock(self, _key: str, _span: Span, *, wait_seconds: float) -> "Free":  # noqa: ARG002
        return self

    def __enter__(self) -> Claim:
        return Claim()

    def __exit__(self, *_error: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_pieces(database: Database) -> None:
    forget_pieces(database)


@pytest.fixture
def files(bucket: Bucket, database: Database) -> Rig:
    return Rig(MemoryObjects(bucket), database, prefix="p", piece_bytes=4)


@pytest.fixture
def attachments(bucket: Bucket, database: Database) -> Rig:
    return Rig(MemoryObjects(bucket), database, ATTACHMENTS, prefix="p", piece_bytes=4)


def adopt(files: Rig, attachments: Rig, length: int, *, claim: Claim | None = None) -> None:
    record = Adoption(attachments.backing, KEY, claim or Claim(), length).take(files.backing, FILE.hex)
    with attachments.database.write_rows() as rows:
        record(rows)


def compact(rig: Rig) -> None:
    assert Compaction(rig.database, [CompactedRoom(rig.backing, Free())], sleep=lambda _: None).work() == 1


def test_pieces_are_shared_and_stay_until_nobody_has_them(files: Rig, attachments: Rig, bucket: Bucket) -> None:
    files.put(FILE, b"abcdef")
    files.put(FILE, b"ghi", 6, whole=True)
    calls = len(bucket.calls)
    adopt(files, attachments, 9)
    assert [call for call in bucket.calls[calls:] if call != "head"] == []
    assert attachments.pieces(KEY) == files.pieces(FILE)
    files.delete(FILE)
    assert attachments.read(KEY) == b"abcdefghi"
    attachments.delete(KEY)
    assert files.names() == set()


def test_shared_pieces_become_one_object_each(files: Rig, attachments: Rig) -> None:
    files.put(FILE, b"abcdef", whole=True)
    files.put(FILE, b"ghi", 6, whole=True)
    adopt(files, attachments, 9)
    compact(files)
    compact(attachments)
    assert files.names() == {files.layout.own_name(FILE), attachments.layout.own_name(KEY)}
    assert files.read(FILE) == attachments.read(KEY) == b"abcdefghi"


def test_one_object_is_copied_by_the_store(files: Rig, attachments: Rig, bucket: Bucket) -> None:
    files.put(FILE, b"abc", whole=True)
    calls = len(bucket.calls)
    adopt(files, attachments, 3)
    assert [call for call in bucket.calls[calls:] if call in MOVED] == []
    assert (attachments.pieces(KEY), attachments.read(KEY)) == ([], b"abc")
    files.delete(FILE)
    assert attachments.names() == {attachments.layout.own_name(KEY)}


def test_what_was_one_object_and_has_grown_is_copied_and_shared(files: Rig, attachments: Rig, bucket: Bucket) -> None:
    files.put(FILE, b"abc", whole=True)
    files.put(FILE, b"def", 3, whole=True)
    calls = len(bucket.calls)
    adopt(files, attachments, 6)
    assert [call for call in bucket.calls[calls:] if call in MOVED] == []
    files.delete(FILE)
    assert attachments.read(KEY) == b"abcdef"


def test_no_more_is_taken_than_counted(files: Rig, attachments: Rig) -> None:
    files.put(FILE, b"abcdef", whole=True)
    compact(files)
    adopt(files, attachments, 3)
    assert attachments.pieces(KEY)[0].span == Span(0, 3)
    compact(attachments)
    assert attachments.read(KEY) == b"abc"


@pytest.mark.parametrize("length", [1, 4])
def test_a_blob_that_lacks_bytes_is_none(files: Rig, attachments: Rig, length: int) -> None:
    files.put(FILE, b"", whole=True)
    if length > 1:
        files.put(FILE, b"abc", whole=True)
    with pytest.raises(BlobMissing):
        adopt(files, attachments, length)
    assert attachments.pieces(KEY) == []


def test_pieces_that_become_one_object_meanwhile_are_not_shared(files: Rig, attachments: Rig) -> None:
    files.put(FILE, b"abcdef", whole=True)
    files.put(FILE, b"ghi", 6, whole=True)
    record = Adoption(attachments.backing, KEY, Claim(), 9).take(files.backing, FILE.hex)
    compact(files)
    with pytest.raises(BlobMissing), attachments.database.write_rows() as rows:
        record(rows)
    adopt(files, attachments, 9)
    assert attachments.read(KEY) == b"abcdefghi"


def test_a_lost_claim_lets_nothing_count(files: Rig, attachments: Rig) -> None:
    files.put(FILE, b"abcdef")
    with pytest.raises(ClaimLost):
        adopt(files, attachments, 6, claim=Claim(is_lost=True))
    assert attachments.pieces(KEY) == []


def test_a_transaction_that_is_run_again_writes_the_same(files: Rig, attachments: Rig) -> None:
    files.put(FILE, b"abcdef")
    record = Adoption(attachments.backing, KEY, Claim(), 6).take(files.backing, FILE.hex)
    with pytest.raises(ZeroDivisionError), attachments.database.write_rows() as rows:
        record(rows)
        _ = 1 / 0
    with attachments.database.write_rows() as rows:
        record(rows)
    found = attachments.pieces(KEY)
    assert found == [Piece(each.span, each.object, each.offset) for each in files.pieces(FILE)]
