"""Uploads into an object store whose answers take long, in a process under gevent, which tells what they take of it."""

import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import gevent

from transfer_service.db.database import Database
from transfer_service.services.body_writer import BodyWriter, Counting
from transfer_service.services.digests import DigestFollower
from transfer_service.storage.blobs import WHOLE
from transfer_service.storage.leases import NewLock
from transfer_service.storage.rooms import FILES
from transfer_service.storage.s3.backing import Backing
from transfer_service.storage.s3.discards import Discards
from transfer_service.storage.s3.layout import RoomLayout
from transfer_service.storage.s3.objects import Blocks, Objects
from transfer_service.storage.s3.pieces import PieceRows
from transfer_service.storage.s3.writer import writing
from transfer_service.threads import begin_offload
from transfer_service.wire.store_addresses import parse_store_address

MIB = 1024 * 1024
SIZE = 40 * MIB


class SlowObjects(Objects):
    """Answers late: until then a writer must keep what it has sent."""

    seconds = 0.3

    def put(self, name: str, blocks: Blocks, *, only_new: bool = False) -> bool:
        done = super().put(name, blocks, only_new=only_new)
        time.sleep(self.seconds)
        return done


class Body:
    """A client that is faster than the store."""

    def __init__(self) -> None:
        self._left = SIZE
        self._block = memoryview(b"x" * 65536)

    def readinto(self, buffer: memoryview, /) -> int:
        count = min(len(buffer), self._left, len(self._block))
        buffer[:count] = self._block[:count]
        self._left -= count
        gevent.sleep(0)
        return count

    def end_when(self, condition: Callable[[], bool]) -> None:
        """Nobody waits."""

    def while_idle(self, work: Callable[[], object]) -> None:
        """It never is."""


def upload(backing: Backing) -> None:
    key = uuid.uuid4()
    with writing(backing, key, NewLock(WHOLE), create=True, is_new=True) as writer:
        body = BodyWriter(
            writer,
            start=0,
            make_room=lambda _stop: None,
            counting=Counting(is_atomic=True),
            follower=DigestFollower.alone(),
            begin=begin_offload,
        )
        body.receive(Body())
        writer.seal(SIZE, flush=True)
        with backing.database.write_rows() as rows:
            writer.record(rows)


def memory(field: str) -> int:
    """A field of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def peak_of(backing: Backing, count: int) -> int:
    """How much more memory it takes at most while so many uploads come at once."""
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    gevent.joinall([gevent.spawn(upload, backing) for _ in range(count)], raise_error=True)
    return memory("VmHWM") - before


def longest_stop(backing: Backing, count: int) -> float:
    """For how long, in seconds, the event loop and the threads of gevent's pool were not to be had meanwhile."""
    uploads = [gevent.spawn(upload, backing) for _ in range(count)]
    worst = 0.0
    while not all(each.ready() for each in uploads):
        began = time.monotonic()
        gevent.get_hub().threadpool.apply(lambda: None)
        worst = max(worst, time.monotonic() - began)
        gevent.sleep(0.005)
    gevent.joinall(uploads, raise_error=True)
    return worst


def main() -> None:
    """Print what an upload takes, when several come at once, in bytes; and how long others waited, in seconds."""
    address, url = parse_store_address(sys.argv[1]), sys.argv[2]
    database, objects = Database(url), SlowObjects(address)
    layout = RoomLayout(address.prefix, FILES)
    rows = PieceRows(layout.name, layout.own_name)
    backing = Backing(objects, database, layout, rows, Discards(database, objects))
    peak_of(backing, 1)  # what is loaded and begun once
    peak = peak_of(backing, 4) // 4
    objects.seconds = 2.0
    print(peak, longest_stop(backing, 12))  # noqa: T201


if __name__ == "__main__":
    main()
