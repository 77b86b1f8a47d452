"""A PostgreSQL server of the test session's own, on a free port, in a temporary folder."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from benchmarks.postgres import postgresql, programs
from benchmarks.servers import NotInstalled
from tests.missing import missing


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a fresh server, without a database name. Where there is none the test is skipped, in CI it fails."""
    try:
        programs()
    except NotInstalled as error:
        missing(str(error))
    with postgresql(has_autovacuum=False) as server:  # it would go round hundreds of databases all the time
        yield server.url


@pytest.fixture
def unmade_postgres_url(postgres_server: str) -> str:
    """The URL of a database that `migrate` makes: to make an empty one first takes as long again."""
    return f"{postgres_server.replace('postgresql:', 'postgresql+psycopg:')}/test_{uuid.uuid4().hex}"


@pytest.fixture
def postgres_url(postgres_server: str, unmade_postgres_url: str) -> str:
    """The URL of an empty database."""
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{unmade_postgres_url.rpartition("/")[2]}"')
    return unmade_postgres_url
