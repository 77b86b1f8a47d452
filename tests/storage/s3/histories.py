"""Histories of writers, compactions and cleanups that are killed, cut off or overtaken, beside a model of bytes."""

import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from sqlalchemy import select

from tests.storage.s3.memory_objects import Bucket, Killed, MemoryObjects
from tests.storage.s3.rig import Claim, Locks, Rig, forget_pieces
from transfer_service.db.database import Database
from transfer_service.errors import BlobMissing, ClaimLost, RangeBusy, StoreUnavailable, TransferError
from transfer_service.models.pieces import DiscardedObject, StoredPiece
from transfer_service.storage.blobs import WHOLE
from transfer_service.storage.s3.backing import Backing
from transfer_service.storage.s3.compaction import CompactedRoom, Compaction
from transfer_service.storage.s3.discards import Discards
from transfer_service.storage.s3.leftovers import Leftovers
from transfer_service.storage.s3.objects import Objects
from transfer_service.storage.s3.writer import PieceWriter
from transfer_service.wire.ranges import Span

PIECE = 64
AGED = timedelta(hours=2)


class Undone(Exception):
    """A transaction is rolled back."""


def is_dead(objects: Objects) -> bool:
    """Whether the process that these calls are of was killed."""
    return bool(getattr(objects, "is_dead", False))


class MortalDiscards(Discards):
    """A process that was killed writes nothing down any more."""

    objects: Objects

    def note(self, names: Collection[str], *, due_at: datetime | None = None) -> None:
        if is_dead(self.objects):
            raise Killed
        super().note(names, due_at=due_at)


@dataclass
class Blob:
    """What counts: bytes at their places, without a gap; and whether that is all."""

    data: bytes = b""
    is_whole: bool = False


@dataclass
class Sleeper:
    """A writer whose process was stopped, and has lost its claim meanwhile."""

    key: str
    opened: AbstractContextManager[PieceWriter]
    writer: PieceWriter
    position: int


@dataclass
class History:
    """One history. The same seed gives the same one."""

    seed: int
    database: Database
    bucket: Bucket = field(default_factory=Bucket)
    locks: Locks = field(default_factory=Locks)
    blobs: dict[str, Blob] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    sleepers: list[Sleeper] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)
    object_bytes: int = 5 * PIECE

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.prefix = f"h-{uuid.uuid4().hex}"
        self.process = self._new_process()
        forget_pieces(self.database)

    def run(self, steps: int) -> None:
        """Do that many steps, then clean up, and look after each."""
        for _ in range(steps):
            self._step(self._fault())
            self._check()
        for sleeper in list(self.sleepers):
            self._wake(sleeper)
        self.bucket.fault = lambda _call, _moment: None
        self._clean_up(self._new_process())
        self._check()
        self._check_nothing_is_left()

    def _new_process(self) -> Rig:
        objects = self._new_objects()
        rig = Rig(objects, self.database, prefix=self.prefix, piece_bytes=PIECE)
        mortal = MortalDiscards(self.database, objects)
        mortal.objects = objects
        rig.discards = mortal
        rig.backing = Backing(objects, self.database, rig.layout, rig.rows, mortal, PIECE)
        return rig

    def _new_objects(self) -> Objects:
        return MemoryObjects(self.bucket)

    def stored(self) -> Mapping[str, bytes]:
        """All objects."""
        return self.bucket.objects

    def _fault(self) -> Callable[[str, str], None]:
        """What happens to calls of the next step: nothing, or at one of them a kill or no answer."""
        number, moment = self.random.randint(1, 8), self.random.choice(["before", "after"])
        kind = self.random.choice([None, None, Killed, StoreUnavailable])
        made = [0]

        def fault(_call: str, at: str) -> None:
            made[0] += at == "before"
            if kind is not None and (made[0], at) == (number, moment):
                raise kind

        return fault

    def _step(self, fault: Callable[[str, str], None]) -> None:
        names = ["append", "append", "append", "join", "compact", "delete", "clean_up", "fall_asleep", "wake_one"]
        name = self.random.choice(names)
        self.done.append(name)
        self.bucket.fault = fault
        try:
            getattr(self, f"_{name}")(self.process)
        except Killed:
            self.done.append("killed")
            self.made["killed"] += 1
            self.process = self._new_process()
        except TransferError as error:
            self.done.append(type(error).__name__)
        finally:
            self.bucket.fault = lambda _call, _moment: None
            if is_dead(self.process.objects):
                self.process = self._new_process()
            self.locks.held.clear()

    def _new_key(self) -> str:
        return uuid.UUID(int=self.random.getrandbits(128)).hex

    def _any_key(self) -> str | None:
        return self.random.choice(sorted(self.blobs)) if self.blobs else None

    @contextmanager
    def _claimed(self, key: str, start: int) -> Iterator[Claim]:
        if key in self.locks.held:
            raise RangeBusy
        claim = self.locks.held[key] = Claim(Span(start, WHOLE.stop))
        yield claim

    def _append(self, rig: Rig) -> None:
        """An append to a new upload, or to one that is there, or to a file that was whole."""
        known = self._any_key()
        key = known if known and self.random.random() < 0.7 else self._new_key()
        blob = self.blobs.setdefault(key, Blob())
        start = position = len(blob.data)
        with self._claimed(key, start) as claim, rig.writer(uuid.UUID(key), start, claim=claim) as writer:
            pending = b""
            for _ in range(self.random.randint(0, 4)):
                data = self._bytes()
                if self.random.random() < 0.8:
                    writer.make_room(len(data))
                writer.write(position, [data])
                pending, position = pending + data, position + len(data)
                if self.random.random() < 0.3:
                    self._count(rig, writer, blob, pending[: writer.settled - start], start)
                elif len(blob.data) == start and self.random.random() < 0.2:  # what counts is never cut off
                    writer.cut()
                    pending, position = b"", start
            self._end(rig, writer, blob, pending, start)

    def _end(self, rig: Rig, writer: PieceWriter, blob: Blob, pending: bytes, start: int) -> None:
        end = self.random.choice(["seal", "seal", "sync", "refuse"])
        if end == "refuse":
            raise StoreUnavailable
        if end == "seal":
            writer.seal(start + len(pending), flush=True)
        else:
            writer.sync()
        self._count(rig, writer, blob, pending, start, is_whole=end == "seal")

    def _bytes(self) -> bytes:
        return self.random.randbytes(self.random.choice([0, 1, 5, 30, PIECE, 150]))

    def _count(
        self, rig: Rig, writer: PieceWriter, blob: Blob, data: bytes, start: int, *, is_whole: bool = False
    ) -> None:
        """Let bytes count in a transaction, which may be undone, or the last thing that its process does."""
        kind = self.random.choice(["", "", "", "", "undone", "killed before", "killed after"])
        if kind == "undone":
            with suppress(Undone), self.database.write_rows() as rows:
                writer.record(rows)
                raise Undone
        with self.database.write_rows() as rows:
            writer.record(rows)
            if kind == "killed before":
                self._kill(rig)
        blob.data = blob.data[:start] + data
        blob.is_whole = is_whole
        self.made["whole" if is_whole else "part"] += 1
        if kind == "killed after":
            self._kill(rig)

    def _kill(self, rig: Rig) -> None:
        rig.objects.is_dead = True  # type: ignore[attr-defined] # of those in memory, and of those of a faulty store
        raise Killed

    def _join(self, rig: Rig) -> None:
        """Parts become one file."""
        parts = [key for key in sorted(self.blobs) if self.blobs[key].data]
        parts = self.random.sample(parts, min(len(parts), self.random.randint(1, 3)))
        key, blob = self._new_key(), Blob()
        self.blobs[key] = blob  # killed before it counts it is an empty upload
        with self._claimed(key, 0) as claim, rig.writer(uuid.UUID(key), claim=claim) as writer:
            joined = b""
            for part in parts:
                data = self.blobs[part].data
                middle = self.random.randint(0, len(data))
                writer.copy(uuid.UUID(part), Span(0, middle), to=len(joined))
                writer.copy(uuid.UUID(part), Span(middle, len(data)), to=len(joined) + middle)
                joined += data
            writer.seal(len(joined), flush=True)
            self._count(rig, writer, blob, joined, 0, is_whole=True)
        self.made["joined"] += 1
        for part in parts:
            self._delete_one(rig, part)

    def _compact(self, rig: Rig) -> None:
        """A worker, which may be overtaken at any of its calls."""
        fault, number, made = self.bucket.fault, self.random.randint(1, 12), [0]

        def overtake(call: str, moment: str) -> None:
            fault(call, moment)
            made[0] += 1
            if made[0] == number:
                for key in list(self.locks.held):
                    self.locks.held.pop(key).is_lost = True
                held, process, self.process = dict(self.locks.held), self.process, self._new_process()
                self.made["overtaken"] += 1
                self.done.append("(")
                self._step(lambda _call, _moment: None)
                self.done.append(")")
                self.process, self.locks.held = process, held
                self.bucket.fault = fault

        if self.random.random() < 0.5:
            self.bucket.fault = overtake
        room = CompactedRoom(rig.backing, self.locks)
        work = Compaction(self.database, [room], sleep=lambda _seconds: None, object_bytes=self.object_bytes)
        with suppress(ClaimLost):
            self.made["compacted"] += work.work()

    def _delete(self, rig: Rig) -> None:
        if key := self._any_key():
            self._delete_one(rig, key)

    def _delete_one(self, rig: Rig, key: str) -> None:
        del self.blobs[key]  # its record is gone, and its name noted
        self.deleted.add(key)
        rig.delete(uuid.UUID(key))

    def _clean_up(self, rig: Rig) -> None:
        """Everything is as old as it must be to go."""
        for key in sorted(self.deleted):
            rig.delete(uuid.UUID(key))
        later = datetime.now(UTC) + AGED
        rig.discards.finish(now=later)
        users = _Users(self.locks)
        list(Leftovers(rig.backing, users).remove(lambda keys: {*keys} & {*self.blobs, *self.deleted}, now=later))

    def _fall_asleep(self, _rig: Rig) -> None:
        key = self._any_key() or self._new_key()
        blob = self.blobs.setdefault(key, Blob())
        start = len(blob.data)
        claim = Claim(Span(start, WHOLE.stop))
        opened = self._new_process().writer(uuid.UUID(key), start, claim=claim)
        writer = opened.__enter__()
        data = self._bytes()
        try:
            writer.write(start, [data])
            if self.random.random() < 0.5:
                writer.sync()
        except BaseException as error:
            with suppress(type(error)):
                opened.__exit__(type(error), error, error.__traceback__)
            raise
        claim.is_lost = True
        self.sleepers.append(Sleeper(key, opened, writer, start + len(data)))

    def _wake_one(self, _rig: Rig) -> None:
        if self.sleepers:
            self._wake(self.random.choice(self.sleepers))

    def _wake(self, sleeper: Sleeper) -> None:
        """It goes on as if nothing had happened: nothing of it may come to count."""
        self.sleepers.remove(sleeper)
        try:
            sleeper.writer.write(sleeper.position, [self._bytes()])
            if self.random.random() < 0.5:
                sleeper.writer.seal(sleeper.position, flush=True)
            else:
                sleeper.writer.sync()
            with self.database.write_rows() as rows:
                sleeper.writer.record(rows)
        except BaseException as error:  # noqa: BLE001 - how it ends is not the question
            with suppress(Killed, TransferError):
                sleeper.opened.__exit__(type(error), error, error.__traceback__)
            self.made["woken"] += 1
            return
        raise AssertionError("bytes came to count under a claim that was lost")

    def _check(self) -> None:
        for key, blob in self.blobs.items():
            found, own = self._look(key)
            counted = dict(enumerate(blob.data))
            assert {place: found.get(place) for place in counted} == counted, (self.seed, self.done)
            if blob.is_whole:
                assert found == counted, (self.seed, self.done)
            assert found.keys() - counted.keys() <= own, (self.seed, self.done)

    def _look(self, key: str) -> tuple[dict[int, int], set[int]]:
        """The bytes of a blob that can be seen, and the places of those that are in the object at its own name."""
        rig, stored = self._new_process(), self.stored()
        found: dict[int, int] = {}
        own: set[int] = set()
        with suppress(BlobMissing):
            for piece in rig.backing.find(key, WHOLE):
                data = stored[piece.object][piece.offset : piece.offset + piece.span.size]
                assert len(data) == piece.span.size
                assert piece.span.start not in found
                found |= dict(enumerate(data, piece.span.start))
                if piece.object == rig.layout.own_name(key):
                    own |= set(range(piece.span.start, piece.span.stop))
        return found, own

    def _check_nothing_is_left(self) -> None:
        rig = self._new_process()
        with self.database.read() as session:
            is_named = StoredPiece.object.startswith(self.prefix) & (StoredPiece.stop > 0)  # not where nothing is
            named = set(session.scalars(select(StoredPiece.object).where(is_named)))
            noted = session.scalars(select(DiscardedObject.name).where(DiscardedObject.name.startswith(self.prefix)))
            assert noted.all() == []
        own = {rig.layout.own_name(key) for key in self.blobs}
        stored = set(self.stored())
        there = {name for name in stored if not name.startswith(rig.layout.quarantine_prefix)}
        assert there <= named | own, (self.seed, self.done)
        assert named <= stored, (self.seed, self.done)


class _Users:
    def __init__(self, locks: Locks) -> None:
        self._locks = locks

    def is_in_use(self, key: str) -> bool:
        return key in self._locks.held
