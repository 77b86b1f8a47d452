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
    with postgresql() as server:
        yield server.url


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """The URL of an empty database."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{postgres_server.replace('postgresql:', 'postgresql+psycopg:')}/{name}"
