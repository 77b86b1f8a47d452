"""Claims in a database, for tests: each of several processes, as far as the database can tell."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg
import pytest

from tests.prepared import migrate
from tests.storage.memory import MemoryStore
from transfer_service.db.database import Database
from transfer_service.storage.blobs import Key
from transfer_service.storage.lease_keeper import Leases
from transfer_service.storage.leases import LeaseClaims
from transfer_service.storage.rooms import FILES, Room


@dataclass(frozen=True)
class Process:
    """What a process has."""

    database: Database
    leases: Leases
    claims: LeaseClaims


def migrated(kind: str, request: pytest.FixtureRequest) -> str:
    """The URL of a database of that kind for several tests: each has keys of its own, and leaves no rows."""
    if kind == "sqlite":
        url = f"sqlite:///{request.getfixturevalue('tmp_path_factory').mktemp('claims') / 'claims.sqlite3'}"
    else:
        server: str = request.getfixturevalue("postgres_server")
        name = f"claims_{uuid.uuid4().hex}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        url = f"{server.replace('postgresql:', 'postgresql+psycopg:')}/{name}"
    migrate(url)
    return url


@contextmanager
def processes(url: str) -> Iterator[Callable[[], Process]]:
    """Processes on one migrated database, which end with the block."""
    with ExitStack() as ending:

        def begin() -> Process:
            database = Database(url)
            leases = Leases(database)
            ending.callback(database.dispose)
            return Process(database, leases, LeaseClaims(leases, FILES.location))

        yield begin


class LeasedStore(MemoryStore):
    """A store in memory with claims in a database."""

    def __init__(self, room: Room, claims: LeaseClaims) -> None:
        super().__init__(room)
        self.claims = claims  # type: ignore[assignment]

    def delete(self, key: Key) -> int:
        freed = super().delete(key)
        self.claims.end_all(key)  # type: ignore[attr-defined]
        return freed
