"""A migrated database, and what stores of rows need besides."""

from collections.abc import Iterator

import pytest

from tests.prepared import migrate
from transfer_service.db.database import Database


@pytest.fixture
def any_database(database_url: str) -> Iterator[Database]:
    """A database of each kind, with every table."""
    migrate(database_url)
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The one that comes with the service."""
    url = f"sqlite:///{tmp_path_factory.mktemp('database') / 'test.sqlite3'}"
    migrate(url)
    database = Database(url)
    yield database
    database.dispose()
