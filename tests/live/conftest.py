"""Fixtures of the tests against real servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.live.server import LiveServer, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A running instance with the accounts `alice`, `bob` and `root`, shared by one module's tests."""
    with running(tmp_path_factory.mktemp("live") / "data", "alice", "bob", "root") as server:
        yield server


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A folder for an instance of a test's own."""
    return tmp_path / "data"


@pytest.fixture
def alice(server: LiveServer) -> requests.Session:
    """`alice`, signed in at `server`."""
    return server.sign_in("alice")
