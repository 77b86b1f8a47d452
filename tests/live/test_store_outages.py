"""An object store that goes away, or falls silent, under an instance that serves, and comes back."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from benchmarks.object_store import CREDENTIALS, ObjectStoreServer
from tests.conftest import SECRET
from tests.live.server import LiveServer, started, wait_until
from tests.object_store import own_object_store
from tests.silent_proxy import SilentProxy

pytestmark = pytest.mark.long

__all__ = ["own_object_store"]

DATA = bytes(range(256)) * 1024
SOON, AT_ONCE, BACK_SECONDS, TIMEOUT = 40.0, 5.0, 90.0, 60  # a silent store is waited for for eight seconds


@pytest.fixture
def proxy(own_object_store: ObjectStoreServer) -> Iterator[SilentProxy]:
    with SilentProxy(own_object_store.ports["s3"]) as running:
        yield running


@pytest.fixture
def server(
    data_dir: Path, postgres_url: str, own_object_store: ObjectStoreServer, proxy: SilentProxy
) -> Iterator[LiveServer]:
    port = str(own_object_store.ports["s3"])
    settings = {
        **CREDENTIALS,
        "SECRET_KEY": SECRET,
        "TRANSFER_DATABASE_URL": postgres_url,
        "TRANSFER_STORAGE_URL": own_object_store.new_url().replace(port, str(proxy.port)),
    }
    server = LiveServer(data_dir, settings)
    server.prepare("alice")
    with started(server):
        yield server


def _timed(ask: Callable[[], requests.Response]) -> tuple[requests.Response, float]:
    began = time.monotonic()
    return ask(), time.monotonic() - began


def test_what_needs_the_store_is_refused_soon_while_it_is_away_and_served_when_it_is_back(
    server: LiveServer, own_object_store: ObjectStoreServer, proxy: SilentProxy
) -> None:
    alice = server.sign_in("alice")
    kept = server.store(alice, "kept.bin", DATA)

    def send() -> requests.Response:
        return alice.post(f"{server.url}/api/files", params={"filename": "new.bin"}, data=DATA, timeout=TIMEOUT)

    def fetch() -> requests.Response:
        return alice.get(server.url + kept, timeout=TIMEOUT)

    for leave, come_back in (
        (proxy.fall_silent, proxy.speak),
        (own_object_store.stop, own_object_store.start),
    ):
        before = server.log_path.read_text()
        leave()
        try:
            with ThreadPoolExecutor(40) as pool:
                answers = list(pool.map(_timed, [send, fetch] * 20))
            later = [_timed(ask) for ask in (send, fetch, send, fetch)]
            listed, seconds = _timed(lambda: alice.get(f"{server.url}/api/files", timeout=TIMEOUT))
            ready = requests.get(f"{server.url}/readyz", timeout=TIMEOUT)
        finally:
            come_back()
        assert {(answer.status_code, answer.headers.get("Retry-After")) for answer, _ in answers} == {(503, "5")}
        assert max(waited for _, waited in answers) < SOON
        assert sorted(waited for _, waited in later)[-2] < AT_ONCE  # one of them may look whether it is back
        assert ([file["filename"] for file in listed.json()["files"]], seconds < AT_ONCE) == (["kept.bin"], True)
        assert (ready.status_code, ready.json()) == (503, {"detail": "The store cannot be written"})
        with ExitStack() as stack:
            stack.callback(alice.delete, f"{server.url}/api/files/new.bin", timeout=TIMEOUT)
            wait_until(lambda: send().status_code == 201, seconds=BACK_SECONDS)
            assert fetch().content == DATA
        log = server.log_path.read_text().removeprefix(before)
        told = [log.count(f'"{event}"') for event in ("object_store_away", "object_store_back")]
        assert told == [1, 1]
        assert not any(f'"{event}"' in log for event in ("machine_fault", "failure", "object_store"))
