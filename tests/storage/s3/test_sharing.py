"""Blobs that share what others have, change their keys, or have several writers at once."""

import threading
import uuid
from contextlib import closing

import pytest

from tests.prepared import migrate
from tests.storage.s3.memory_objects import Bucket, MemoryObjects
from tests.storage.s3.rig import Claim, Rig, forget_pieces
from transfer_service.db.database import Database
from transfer_service.errors import BlobMissing, ReadFailed
from transfer_service.storage.blobs import WHOLE
from transfer_service.storage.lease_keeper import Leases
from transfer_service.storage.leases import LeaseClaims
from transfer_service.storage.rooms import ARCHIVES
from transfer_service.storage.s3.writer import writing
from transfer_service.wire.ranges import Span

KEY = uuid.UUID(int=7)


@pytest.fixture(autouse=True)
def _no_pieces(database: Database) -> None:
    forget_pieces(database)


def scattered(rig: Rig) -> list[tuple[str, int]]:
    with rig.database.read_rows() as rows:
        return [tuple(row) for row in rows.exec_driver_sql("SELECT key, length FROM scattered_blobs").fetchall()]


def test_parts_are_put_together_without_moving_a_byte(rig: Rig, bucket: Bucket) -> None:
    first, second = uuid.UUID(int=1), uuid.UUID(int=2)
    rig.put(first, b"abc")
    rig.put(first, b"def", 3)
    rig.put(second, b"ghi", whole=True)
    calls = len(bucket.calls)
    with rig.writer(KEY) as writer:
        writer.copy(first, Span(0, 4), to=0)
        writer.copy(first, Span(4, 6), to=4)
        writer.copy(second, Span(0, 3), to=6)
        assert writer.read(Span(0, 9)) == b"abcdefghi"
        writer.seal(9, flush=True)
        rig.record(writer)
    assert bucket.calls[calls:].count("put") == 1  # of what is one object
    with rig.database.write_rows() as rows:
        freed = rig.rows.remove(rows, first.hex)
    rig.discards.remove(freed)
    assert rig.read(KEY) == b"abcdefghi"
    with rig.database.write_rows() as rows:
        freed = rig.rows.remove(rows, KEY.hex)
    rig.discards.remove(freed)
    assert rig.names() == {rig.layout.own_name(second)}


def test_a_part_that_goes_meanwhile_lets_nothing_count(rig: Rig) -> None:
    part = uuid.UUID(int=1)
    rig.put(part, b"abc")
    with pytest.raises(BlobMissing), rig.writer(KEY) as writer:
        writer.copy(part, Span(0, 3), to=0)
        with rig.database.write_rows() as rows:
            rig.rows.remove(rows, part.hex)
        writer.seal(3, flush=True)
        rig.record(writer)
    assert rig.pieces(KEY) == []


@pytest.mark.parametrize("span", [Span(0, 4), Span(2, 9)])
def test_no_more_of_a_part_is_copied_than_there_is(rig: Rig, span: Span) -> None:
    part = uuid.UUID(int=1)
    rig.put(part, b"abc")
    with rig.writer(KEY) as writer, pytest.raises(ReadFailed):
        writer.copy(part, span, to=0)
    with rig.writer(KEY) as writer, pytest.raises(BlobMissing):
        writer.copy(uuid.UUID(int=99), span, to=0)


def test_an_archive_gets_its_key_in_one_step(bucket: Bucket, database: Database) -> None:
    rig = Rig(MemoryObjects(bucket), database, ARCHIVES)
    rig.put("5.part", b"an old archive", whole=True)
    with rig.writer("5.part") as writer:
        writer.publish("12.zip")
    with rig.writer("6.part") as writer:
        writer.write(0, [b"a new one"])
        writer.seal(9, flush=True)
        writer.publish("12.zip")
        with rig.database.write_rows() as rows:  # as who keeps a lease does, which knows nothing of it
            writer.record(rows)
    assert (rig.read("12.zip"), len(bucket.objects), scattered(rig)) == (b"a new one", 1, [("12.zip", 9)])
    for part in ("5.part", "6.part"):
        with pytest.raises(BlobMissing):
            rig.read(part)


def test_an_archive_of_a_lost_claim_gets_no_key(bucket: Bucket, database: Database) -> None:
    rig, claim = Rig(MemoryObjects(bucket), database, ARCHIVES), Claim()
    with pytest.raises(BlobMissing), rig.writer("5.part", claim=claim) as writer:
        writer.write(0, [b"abc"])
        writer.sync()
        rig.record(writer)
        claim.is_lost = True
        writer.publish("12.zip")
    assert (rig.read("5.part"), rig.pieces("12.zip")) == (b"abc", [])


def test_many_writers_of_one_blob_do_not_disturb_each_other(any_database: Database) -> None:
    rig = Rig(MemoryObjects(Bucket()), any_database)
    rig.put(KEY, b"0", whole=True)

    def write(number: int) -> None:
        for turn in range(10):
            rig.put(KEY, b"%d" % number, 1 + number + 4 * turn)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rig.read(KEY) == b"0" + b"0123" * 10


def test_two_transactions_of_one_writer_come_one_after_the_other(postgres_url: str) -> None:
    """A beat of the lease writes down what is stored, just when the archive gets its key."""
    migrate(postgres_url)
    database = Database(postgres_url)
    rig, leases = Rig(MemoryObjects(Bucket()), database, ARCHIVES), Leases(database)
    claims = LeaseClaims(leases, "archives")
    begun, go_on = threading.Event(), threading.Event()
    with (
        closing(leases),
        claims.lock("5.part", WHOLE, wait_seconds=0) as claim,
        writing(rig.backing, "5.part", claim, create=True) as writer,
    ):
        writer.write(0, [b"abc"])
        writer.sync()

        def beat() -> None:
            with database.write_rows() as rows:
                writer.record(rows)
                begun.set()
                go_on.wait(20)

        beating = threading.Thread(target=beat)
        beating.start()
        assert begun.wait(20)
        publishing = threading.Thread(target=lambda: writer.publish("12.zip"))
        publishing.start()
        publishing.join(0.3)
        assert publishing.is_alive()
        go_on.set()
        beating.join(20)
        publishing.join(20)
        assert (rig.read("12.zip"), rig.pieces("5.part")) == (b"abc", [])
    assert rig.read("12.zip") == b"abc"
    database.dispose()
