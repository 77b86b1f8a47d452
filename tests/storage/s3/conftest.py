"""A migrated database, and what stores of rows need besides."""

from collections.abc import Iterator

import pytest

from tests.prepared import migrate, migrated_sqlite
from tests.storage.s3.memory_objects import Bucket, MemoryObjects
from tests.storage.s3.rig import Rig
from transfer_service.db.database import Database
from transfer_service.storage.s3.objects import Objects


@pytest.fixture
def any_database(unmade_database_url: str) -> Iterator[Database]:
    """A database of each kind, with every table."""
    migrate(unmade_database_url)
    database = Database(unmade_database_url)
    yield database
    database.dispose()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The one that comes with the service."""
    yield from migrated_sqlite(tmp_path_factory)


@pytest.fixture
def bucket() -> Bucket:
    """What a store in memory has."""
    return Bucket()


@pytest.fixture
def rig(bucket: Bucket, database: Database) -> Rig:
    """A room on a store in memory, in which calls can fail."""
    return Rig(MemoryObjects(bucket), database)


@pytest.fixture(params=["memory", "weed"])
def any_rig(request: pytest.FixtureRequest, database: Database) -> Rig:
    """The same, and one on a real store."""
    if request.param == "memory":
        return Rig(MemoryObjects(Bucket()), database)
    address = request.getfixturevalue("store_address")
    return Rig(Objects(address), database, prefix=address.prefix)
