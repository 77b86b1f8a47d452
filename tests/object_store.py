"""An object store for tests: SeaweedFS, one a session, with a prefix for each test."""

import os
from collections.abc import Iterator

import pytest

from benchmarks.object_store import CREDENTIALS, ObjectStoreServer, object_store
from benchmarks.servers import NotInstalled
from tests.missing import missing
from transfer_service.storage.s3.objects import Objects
from transfer_service.wire.store_addresses import StoreAddress, parse_store_address


def _running() -> Iterator[ObjectStoreServer]:
    os.environ.update(CREDENTIALS)
    try:
        with object_store() as server:
            yield server
    except NotInstalled as error:
        missing(str(error))


@pytest.fixture(scope="session")
def object_store_server() -> Iterator[ObjectStoreServer]:
    """A store that runs, for the whole session. Where there is none the test is skipped, in CI it fails."""
    yield from _running()


@pytest.fixture
def own_object_store() -> Iterator[ObjectStoreServer]:
    """A store of the test's own, which it may stop and start."""
    yield from _running()


@pytest.fixture
def object_store_url(object_store_server: ObjectStoreServer) -> str:
    """What TRANSFER_STORAGE_URL may be, with a prefix of the test's own."""
    return object_store_server.new_url()


@pytest.fixture
def store_address(object_store_url: str) -> StoreAddress:
    """The same, parsed."""
    return parse_store_address(object_store_url)


@pytest.fixture
def objects(store_address: StoreAddress) -> Objects:
    """Calls to it."""
    return Objects(store_address)
