"""Who works on a remote download.

A run holds a lease on its job and prolongs it again and again. When a lease has run out, with the process that held it,
another run takes the job over. Every change of a job asks for the lease, so a run that has lost it, or whose job was
cancelled, changes nothing any more.
"""

import hashlib
import math
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update

from transfer_service.db.database import Executor
from transfer_service.errors import ClaimLost
from transfer_service.models.games import DownloadState, GameData
from transfer_service.services.clocks import shared_now
from transfer_service.services.core import Core
from transfer_service.services.games import job_rows as download_rows
from transfer_service.services.games.job_rows import is_active, jobs
from transfer_service.storage.blobs import BlobWriter
from transfer_service.threads import Offload
from transfer_service.wire.ranges import Span

LEASE = timedelta(seconds=15)
AVERAGED_SECONDS = 5.0
SHORTEST_SECONDS = 1e-6
"""No clock tells less, and nothing that is divided by it becomes infinite."""

READ_BYTES = 1024 * 1024


class HashedPart:
    """Takes the bytes of a source in their order. `length` counts those that are stored and hashed."""

    def __init__(self, part: BlobWriter, *, offload: Offload) -> None:
        self._part = part
        self._is_closed = False
        self._offload = offload
        self._hasher = hashlib.sha256()
        self.length = 0

    def catch_up(self, left: Iterator[bytes] | None = None) -> None:
        """Hash what an earlier run has left in the part; `left`, where a remote store is asked for it."""
        for block in left or ():
            self._offload(partial(self._hasher.update, block))
            self.length += len(block)
            del block  # the next one takes its place
        while count := self._offload(self._hash_next):
            self.length += count

    def _hash_next(self) -> int:
        block = self._part.read(Span(self.length, self.length + READ_BYTES))
        self._hasher.update(block)
        return len(block)

    def append(self, blocks: Sequence[bytes]) -> None:
        """Store and hash the next bytes. Raises StorageFull; then none of them counts."""
        size = sum(map(len, blocks))
        self._part.make_room(size)
        self._offload(lambda: self._append(blocks))
        self.length += size

    def _append(self, blocks: Sequence[bytes]) -> None:
        self._part.write(self.length, blocks)
        for block in blocks:
            self._hasher.update(block)

    def restart(self) -> None:
        """Forget everything."""
        self._part.cut()
        self._hasher = hashlib.sha256()
        self.length = 0

    def sync(self) -> None:
        """Return when the store has all that came so far. Raises StorageFull, StoreUnavailable."""
        self._part.sync()

    def seal(self) -> None:
        """These are all the bytes. Return when they survive power loss. Raises StorageFull."""
        self._part.seal(self.length, flush=True)

    def record(self, rows: Executor) -> None:
        """Write down where the bytes are that are stored so far, for a later run. Raises ClaimLost."""
        if not self._is_closed:
            self._part.record(rows)

    def close(self) -> None:
        """Nothing more is written, nor written down: the part is let go of."""
        self._is_closed = True

    def sha256(self) -> str:
        """The digest so far, in hexadecimal."""
        return self._hasher.hexdigest()


class LeaseLost(Exception):
    """The job was cancelled, has ended, or belongs to another run by now."""


class SpeedMeter:
    """A moving average, in bytes a second, in which a measurement fades away within AVERAGED_SECONDS."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None
        self._average: float | None = None

    def measure(self, length: int, at: float) -> int:
        """The speed now that `length` bytes are here, at a moment in seconds. A shorter length begins anew."""
        last, self._last = self._last, (length, at)
        if last is None or length < last[0] or at <= last[1]:
            return round(self._average or 0)
        seconds = at - last[1]
        speed = (length - last[0]) / max(seconds, SHORTEST_SECONDS)
        weight = 1 - math.exp(-seconds / AVERAGED_SECONDS)
        self._average = speed if self._average is None else self._average + weight * (speed - self._average)
        return round(self._average)


@dataclass(slots=True)
class Run:
    """One run's hold on a job. `part` is there once it is known how far earlier runs came, and
    `has_published` tells whether its archive has its name.
    """

    job_id: int
    owner: uuid.UUID
    game_id: uuid.UUID
    game_data_id: int
    sha256: str
    size: int
    source_index: int
    validator: str | None
    started_at: datetime
    added_at: datetime
    part: HashedPart | None = None
    has_published: bool = False
    meter: SpeedMeter = field(default_factory=SpeedMeter)


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(jobs.c.lease_until.is_(None), jobs.c.lease_until < now)


class FetchLeases:
    """Takes, prolongs and ends leases."""

    def __init__(self, core: Core, *, monotonic: Callable[[], float], lease: timedelta = LEASE) -> None:
        self.lease = lease
        self._database = core.database
        self._source_names = [source.name for source in core.settings.game_data_sources]
        self._now = core.now
        self._monotonic = monotonic

    def find_waiting(self) -> list[int]:
        """The active jobs on which nobody works."""
        with self._database.read() as session:
            free = is_active & _is_free(shared_now(session, self._now))
            return list(session.scalars(select(jobs.c.id).where(free).order_by(jobs.c.id)))

    def claim(self, job_id: int) -> Run | None:
        """Take a waiting job, None where it does not wait any more."""
        owner = uuid.uuid4()
        taken = (
            update(jobs)
            .where(jobs.c.id == job_id, is_active)
            .values(lease_owner=owner)
            .returning(
                jobs.c.game_id,
                jobs.c.game_data_id,
                jobs.c.sha256,
                jobs.c.total_bytes,
                jobs.c.source_index,
                jobs.c.validator,
                jobs.c.started_at,
            )
        )
        with self._database.write() as session:
            now = shared_now(session, self._now)
            lease = {"lease_until": now + self.lease, "updated_at": now}
            job = session.execute(taken.where(_is_free(now)).values(lease)).one_or_none()
            if job is None:
                return None
            added_at = session.scalars(select(GameData.added_at).where(GameData.id == job.game_data_id)).one()
        return Run(
            job_id,
            owner,
            game_id=job.game_id,
            game_data_id=job.game_data_id,
            sha256=job.sha256,
            size=job.total_bytes,
            source_index=job.source_index,
            validator=job.validator,
            started_at=job.started_at,
            added_at=added_at,
        )

    def beat(self, run: Run) -> bool:
        """Prolong the lease and tell how far it is. False where it is lost."""
        values: dict[str, Any] = {}
        if run.part is not None:
            values["bytes_downloaded"] = run.part.length
            values["speed"] = run.meter.measure(run.part.length, self._monotonic())
        try:
            return self._change(run, prolongs=True, **values)
        except ClaimLost:  # another run has the part by now
            return False

    def hold(self, run: Run, rows: Executor) -> None:
        """Keep the lease until the caller's transaction ends. Raises LeaseLost."""
        mine = select(jobs.c.id).where(jobs.c.id == run.job_id, jobs.c.lease_owner == run.owner, is_active)
        if rows.execute(mine.with_for_update()).one_or_none() is None:
            raise LeaseLost

    def release(self, run: Run) -> None:
        """Give the lease back, so that another run goes on at once."""
        self._change(run, lease_owner=None, lease_until=None, speed=0)

    def remember_validator(self, run: Run, validator: str | None) -> None:
        """Keep what proves that the next bytes belong to those in the part. Raises LeaseLost."""
        if not self._change(run, validator=validator):
            raise LeaseLost

    def _change(self, run: Run, *, prolongs: bool = False, **values: Any) -> bool:
        mine = update(jobs).where(jobs.c.id == run.job_id, jobs.c.lease_owner == run.owner, is_active)
        with self._database.write() as session:
            if prolongs:
                now = shared_now(session, self._now)
                values |= {"lease_until": now + self.lease, "updated_at": now}
            is_mine = session.execute(mine.values(**values).returning(jobs.c.id)).one_or_none() is not None
            if is_mine and run.part is not None:
                run.part.record(session)
            return is_mine

    def advance(self, run: Run, state: DownloadState, **values: Any) -> None:
        """Bring the job into a state that is not final, if it is not there already. Raises LeaseLost."""
        with self._database.write() as session:
            if not download_rows.advance(session, run.job_id, state, owner=run.owner, **values):
                raise LeaseLost

    def fail(self, run: Run, error: str) -> bool:
        """End the job in `error`. False where it has ended already."""
        return self._finish(run, DownloadState.ERROR, error=error)

    def complete(self, run: Run, *, member_count: int | None) -> bool:
        """End the job for good: its archive is verified, and has its name. False where it has ended already."""
        return self._finish(run, DownloadState.COMPLETED, bytes_downloaded=run.size, member_count=member_count)

    def _finish(self, run: Run, state: DownloadState, **values: Any) -> bool:
        with self._database.write(durable=True) as session:
            return download_rows.finish(
                session,
                run.job_id,
                state,
                at=self._now(),
                sources=self._source_names,
                owner=run.owner,
                **values,
            )

    def has_ended(self, run: Run) -> bool:
        """Whether nobody will work on the job any more."""
        with self._database.read() as session:
            return session.scalars(select(jobs.c.id).where(jobs.c.id == run.job_id, is_active)).first() is None
