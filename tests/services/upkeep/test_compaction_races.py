"""Two workers make one object of files while these grow, are replaced and deleted: on PostgreSQL and a real store."""

import threading
import time
from collections.abc import Callable
from functools import partial
from random import Random

import pytest

from tests.services.conftest import Bench
from transfer_service.bootstrap import Services, build_services
from transfer_service.errors import RangeBusy, UploadGone
from transfer_service.storage.s3.compaction import CompactedRoom, Compaction
from transfer_service.storage.s3.objects import Objects
from transfer_service.storage.s3.store import RemoteStore
from transfer_service.wire.store_addresses import StoreAddress

pytestmark = pytest.mark.long

SECONDS = 8.0
MOST_SECONDS = 30.0
"""How much longer a busy machine may take."""
FILES = 6


class Race:
    """Threads that go on until the time is over and enough has happened; what one of them raises ends the test."""

    def __init__(self, is_enough: Callable[[], bool] = lambda: True) -> None:
        self._until = time.monotonic() + SECONDS
        self._is_enough = is_enough
        self._threads: list[threading.Thread] = []
        self.failures: list[BaseException] = []

    def begin(self, work: Callable[[], object]) -> None:
        def run() -> None:
            try:
                while self._goes_on() and not self.failures:
                    work()
            except BaseException as error:  # noqa: BLE001 - it is the test's
                self.failures.append(error)

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def _goes_on(self) -> bool:
        now = time.monotonic()
        return now < self._until or (now < self._until + MOST_SECONDS and not self._is_enough())

    def end(self) -> None:
        for thread in self._threads:
            thread.join(60)
        assert self.failures == []


class Grower:
    """Appends to files of its own, deletes them now and then, and knows what must be in them."""

    def __init__(self, bench: Bench, number: int) -> None:
        self.bench = bench
        self.files: dict[str, bytes] = {}
        self._random = Random(number)
        self._number = number

    def grow(self) -> None:
        name = f"{self._number}-{self._random.randrange(FILES)}"
        before = self.files.get(name, b"")
        if before and self._random.random() < 0.2:
            self.bench.services.files.delete(self.bench.account_id, name)
            del self.files[name]
            return
        data = self._random.randbytes(self._random.choice([10, 1000, 300_000]))
        try:
            self.bench.append(len(before), data, name)
        except (RangeBusy, UploadGone):
            return  # it may count all the same: the next chunk is the same one then
        self.files[name] = before + data
        time.sleep(0.01)

    def check(self) -> int:
        for name, data in self.files.items():
            file = self.bench.find(name)
            assert file is not None
            assert self.bench.content(file) == data
        return len(self.files)


@pytest.fixture
def bench(make_bench: Callable[..., Bench], postgres_url: str, object_store_url: str) -> Bench:
    return make_bench(database_url=postgres_url, storage_url=object_store_url)


def another_instance(bench: Bench) -> Services:
    return build_services(bench.services.core.settings, now=bench.clock)


def test_workers_and_writers_get_in_nobodys_way(bench: Bench, objects: Objects, store_address: StoreAddress) -> None:
    compacted = [0]
    race = Race(lambda: compacted[0] > 10)
    growers = [Grower(Bench(another_instance(bench), bench.clock, bench.account_id), number) for number in range(2)]
    workers = [another_instance(bench) for _ in range(2)]

    def compact(work: Compaction) -> None:
        compacted[0] += work.work()
        time.sleep(0.02)

    for grower in growers:
        race.begin(grower.grow)
    for worker in workers:
        assert isinstance(worker.store, RemoteStore)
        rooms = [CompactedRoom(worker.store.backing, worker.store.claims)]
        race.begin(partial(compact, Compaction(worker.database, rooms, retry_seconds=0.05)))
    race.end()
    assert compacted[0] > 10
    assert sum(grower.check() for grower in growers) > 0
    for services in (*workers, *(grower.bench.services for grower in growers)):
        services.database.dispose()
    bench.services.cleanup.run()  # what was deleted while it was made one object has gone by then
    names = {each.name for page in objects.list(f"{store_address.prefix}/files/") for each in page}
    alive = {bench.find(name) for grower in growers for name in grower.files}
    assert names <= {f"{store_address.prefix}/files/{file.id.hex[:2]}/{file.id.hex}" for file in alive if file}
