"""Services on a fresh database and data folder, with one account."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from sqlalchemy import ClauseElement, func, select
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.sql.compiler import SQLCompiler

from config import Settings
from tests.conftest import PASSWORD, Clock, forget_activities
from tests.prepared import migrate
from tests.stores import content, listed
from transfer_service.bootstrap import Services, build_services
from transfer_service.db.database import Database
from transfer_service.errors import DigestMismatch
from transfer_service.models.accounts import Account
from transfer_service.models.files import File, TrashedFile
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.uploads.incoming import Place
from transfer_service.services.uploads.whole_files import Draft
from transfer_service.wire.ranges import Span


@dataclass
class Body:
    """The bytes of one request as a door would hand them to the services."""

    data: Sequence[bytes]
    total: int | None = None
    infers_length: bool = True
    media_type: str | None = None
    digests: Sequence[bytes] = ()
    failure: Exception | None = None
    late_total: int | None = None
    before_the_end: Callable[[], None] | None = None
    is_slow: bool = False
    _ended: bool = field(default=False, init=False)
    _arriving: Iterator[bytes] | None = field(default=None, init=False)
    _left: bytes = field(default=b"", init=False)

    awaits_leave = False

    def has_arrived(self, most: int) -> bool:
        is_whole = self.failure is None and self.before_the_end is None and not self.is_slow
        return is_whole and sum(map(len, self.data)) <= most

    def readinto(self, buffer: memoryview, /) -> int:
        self._arriving = self._arriving or self.blocks()
        while not self._left and (block := next(self._arriving, None)) is not None:
            self._left = block
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

    def end_when(self, condition: Callable[[], bool]) -> None:
        """Nobody else writes to it."""

    def while_idle(self, work: Callable[[], object]) -> None:
        """No client of these tests goes quiet."""

    def blocks(self) -> Iterator[bytes]:
        yield from self.data
        if self.before_the_end is not None:
            self.before_the_end()
        if self.failure is not None:
            raise self.failure
        self._ended = True

    def claimed_length(self) -> int | None:
        return self.late_total if self._ended and self.late_total is not None else self.total

    def verified(self, draft: Draft, sha256: bytes) -> Draft:
        if any(promised != sha256 for promised in self.digests):
            raise DigestMismatch
        return draft

    def give_up_when(self, condition: Callable[[], bool]) -> None:
        """No client of these tests goes quiet."""


@dataclass
class Bench:
    """Services and the account that the tests work with."""

    services: Services
    clock: Clock
    account_id: uuid.UUID

    def append(self, start: int, data: bytes, name: str = "log.bin", **body: Any) -> FileRecord:
        """One chunk."""
        span = Span(start, start + len(data))
        return self.services.uploads.append(Place(self.account_id, name), span=span, incoming=Body([data], **body))

    def store(
        self, data: bytes, name: str = "log.bin", *, overwrite: bool = False, length: int | None = None, **body: Any
    ) -> FileRecord:
        """A whole file in one request."""
        draft = Draft(name=name, media_type="text/plain", length=length, overwrite=overwrite)
        return self.services.whole_files.receive(self.account_id, draft, Body([data], **body)).file

    def find(self, name: str = "log.bin") -> FileRecord | None:
        return self.services.files.find(self.account_id, name)

    def content(self, status: FileRecord) -> bytes:
        return content(self.services.store, status.id)

    def used_bytes(self) -> int:
        """The quota counter."""
        with self.services.database.read() as session:
            return session.scalars(select(Account.used_bytes).where(Account.id == self.account_id)).one()

    def reserved_bytes(self) -> int:
        """What the quota counter has to be: the sum over the account's files, seen or unseen or in the trash."""
        with self.services.database.read() as session:
            sums = [
                select(func.coalesce(func.sum(table.reserved_bytes), 0)).where(table.account_id == self.account_id)
                for table in (File, TrashedFile)
            ]
            return sum(int(session.scalars(each).one()) for each in sums)

    def rows(self) -> int:
        """How many files there are in the database, seen or unseen."""
        with self.services.database.read() as session:
            return session.scalars(select(func.count()).select_from(File)).one()

    def blobs(self) -> set[uuid.UUID]:
        return {uuid.UUID(hex=blob.key) for blob in listed(self.services.store)}

    def names(self) -> list[str]:
        return sorted(file.name for file in self.services.file_listing.list_files(self.account_id, limit=1000))

    def another_account(self) -> "Bench":
        """The same services in the hands of a new account."""
        name = f"account {uuid.uuid4()}"
        with self.services.database.write() as session:
            session.add(account := Account(id=uuid.uuid4(), name=name, password_hash="!", created_at=self.clock()))
        return Bench(self.services, self.clock, account.id)


_NUMBERED = asyncpg.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's; it writes $1, as PREPARE wants it


def plan_of(database: Database, statement: ClauseElement) -> str:
    """How a database goes about a statement whatever its parameters are, where PostgreSQL takes no table for small."""
    with database.read_rows() as rows:
        if database.is_sqlite:
            compiled = statement.compile(rows.engine)
            values = [None] * len(cast(SQLCompiler, compiled).positiontup or ())
            return "\n".join(row[3] for row in rows.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", tuple(values)))
        numbered = cast(SQLCompiler, statement.compile(dialect=_NUMBERED))
        nulls = ", ".join(["NULL"] * len(numbered.positiontup or ()))
        for each in (
            "SET enable_seqscan = off",
            "SET plan_cache_mode = force_generic_plan",
            f"PREPARE p AS {numbered}",
        ):
            rows.exec_driver_sql(each)
        found = [row[0] for row in rows.exec_driver_sql(f"EXPLAIN EXECUTE p({nulls})")]
        rows.exec_driver_sql("DISCARD ALL")
        return "\n".join(found)


@pytest.fixture
def make_bench(make_settings: Callable[..., Settings], clock: Clock) -> Iterator[Callable[..., Bench]]:
    """Benches; keyword arguments are fields of `Settings`."""
    made: list[Services] = []

    def make(**overrides: Any) -> Bench:
        settings = make_settings(**overrides)
        made.append(services := build_services(settings, now=clock))
        services.account_removal.ended_within_seconds = 0.0  # nothing runs at other instances
        migrate(settings.resolved_database_url)
        services.accounts.create("alice", PASSWORD)
        forget_activities(services)
        return Bench(services, clock, services.accounts.get("alice").account_id)

    yield make
    for services in made:
        services.database.dispose()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """On SQLite."""
    return make_bench()


@pytest.fixture
def any_bench(make_bench: Callable[..., Bench], unmade_database_url: str) -> Bench:
    """On each of both databases."""
    return make_bench(database_url=unmade_database_url)
