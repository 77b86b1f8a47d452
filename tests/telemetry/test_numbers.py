"""The numbers of processes that live, die and come again: none is lost, none counts twice, none goes down."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proofs import length
from transfer_service.telemetry import meters
from transfer_service.telemetry.folder import MANY_DEAD, FolderBusy, MetricsFolder, Series
from transfer_service.telemetry.numbers import MOST_BYTES, NO_ROOM, SCRATCH, SEPARATOR, Numbers, read_series

REPOSITORY = Path(__file__).parents[2]
DEATHS = length(30, whole=100)
COUNTING = """
import sys
from pathlib import Path
from transfer_service.telemetry import meters
from transfer_service.telemetry.folder import MetricsFolder
meters.begin(MetricsFolder(Path(sys.argv[1])).open("worker"))
meters.count(meters.IN_FLIGHT)
for line in sys.stdin:
    for _ in range(int(line)):
        meters.count(meters.FINISHED)
        meters.observe(meters.FSYNC, meters.now())
    print("counted", flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[MetricsFolder]:
    yield MetricsFolder(tmp_path / "metrics")
    meters.begin(None)


class Counter:
    """A process that counts, and can be killed."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", COUNTING, str(folder)],
            cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def count(self, times: int) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(times, file=self._process.stdin, flush=True)
        assert self._process.stdout.readline() == "counted\n"

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


def finished(series: Series) -> int:
    return series.get(meters.FINISHED.name, (0,))[0]


def test_a_number_is_in_the_file_as_soon_as_it_is_counted(folder: MetricsFolder) -> None:
    numbers = folder.open("service")
    meters.begin(numbers)
    meters.count(meters.REFUSALS, "quota", amount=3)
    meters.observe(meters.FSYNC, meters.now())
    series = dict(read_series(numbers.path.read_bytes()))
    assert series[SEPARATOR.join((meters.REFUSALS.name, "quota"))] == (3,)
    assert sum(series[meters.FSYNC.name][:-1]) == 1
    assert series[meters.FSYNC.name][-1] > 0


def test_what_a_killed_process_has_counted_stays_and_its_gauges_go(tmp_path: Path, folder: MetricsFolder) -> None:
    counter = Counter(tmp_path / "metrics")
    counter.count(7)
    alive = folder.read()
    counter.kill()
    dead = folder.read()
    assert (finished(alive.ever), [role for role, _ in alive.alive]) == (7, ["worker"])
    assert alive.alive[0][1][meters.IN_FLIGHT.name] == (1,)
    assert (finished(dead.ever), dead.alive) == (7, [])


def test_many_deaths_leave_every_count_and_few_files(tmp_path: Path, folder: MetricsFolder) -> None:
    """Processes are forked and killed at random points; each says first how far it has come for certain."""
    total, chance = 0, random.Random(17)
    for _ in range(DEATHS):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            meters.begin(MetricsFolder(tmp_path / "metrics").open("service"))
            while True:
                meters.count(meters.FINISHED)
                os.write(writer, b".")
        os.close(writer)
        sure = len(os.read(reader, chance.randint(1, 400)))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        while more := len(os.read(reader, 1 << 16)):
            sure += more
        os.close(reader)
        now = finished(folder.read().ever)
        assert total + sure <= now <= total + sure + 1, "what was counted before the death counts, and once"
        total = now
    assert len(list((tmp_path / "metrics").glob("*.numbers"))) < MANY_DEAD


@pytest.mark.parametrize("point", ["before the rename", "before the files go"])
def test_putting_the_dead_together_may_end_anywhere(
    tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "metrics"
    for _ in range(MANY_DEAD):
        numbers = MetricsFolder(place).open("worker")
        numbers.add(numbers.slot(meters.FINISHED.name), 5)
        numbers.close()

    def fail(*_: object, **__: object) -> None:
        raise OSError("the end")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename" if point == "before the rename" else "unlink", fail)
        first = finished(MetricsFolder(place).read().ever)
    second, third = (finished(MetricsFolder(place).read().ever) for _ in range(2))
    assert first == second == third == 5 * MANY_DEAD
    assert not list(place.glob("*.numbers"))


def test_a_start_forgets_the_dead_and_no_one_alive(tmp_path: Path, folder: MetricsFolder) -> None:
    dead, alive = Counter(tmp_path / "metrics"), Counter(tmp_path / "metrics")
    dead.count(1)
    alive.count(2)
    dead.kill()
    MetricsFolder(tmp_path / "metrics").empty()
    alive.count(2)
    try:
        assert finished(folder.read().ever) == 4
    finally:
        alive.kill()


def test_threads_lose_no_count(folder: MetricsFolder) -> None:
    meters.begin(folder.open("service"))

    def work() -> None:
        for _ in range(20_000):
            meters.count(meters.FINISHED)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert finished(folder.read().ever) == 80_000


def test_a_file_that_may_not_grow_any_more_counts_what_it_knows(tmp_path: Path) -> None:
    numbers = Numbers(tmp_path / "a.numbers")
    slots = [numbers.slot("many", str(each).zfill(1000)) for each in range(MOST_BYTES // 1000)]
    numbers.add(slots[0], 1)
    numbers.add(slots[-1], 1)
    assert (slots[-1], NO_ROOM in slots[:1000]) == (NO_ROOM, False)
    assert numbers.histogram("a histogram".zfill(1000), SCRATCH - 2) == NO_ROOM
    series = dict(read_series(numbers.path.read_bytes()))
    assert series[SEPARATOR.join(("many", "0".zfill(1000)))] == (1,)
    assert numbers.path.stat().st_size == MOST_BYTES == numbers.path.stat().st_blocks * 512


@pytest.mark.parametrize("damage", [b"", b"\xff" * 8, b"\x40" + b"\0" * 7, b"\xff" * 4096], ids=repr)
def test_a_damaged_file_is_no_failure(folder: MetricsFolder, tmp_path: Path, damage: bytes) -> None:
    folder.read()
    (tmp_path / "metrics" / "service-1-x.numbers").write_bytes(damage)
    (tmp_path / "metrics" / "past").write_bytes(damage)
    assert folder.read().ever in ({}, {"": (0,)})


def test_nobody_waits_for_ever_for_a_process_that_is_stopped_in_its_turn(folder: MetricsFolder, tmp_path: Path) -> None:
    folder.read()
    with MetricsFolder(tmp_path / "metrics")._turn(), pytest.raises(FolderBusy):
        folder.read()


def test_without_a_folder_nothing_is_counted_and_nothing_fails() -> None:
    meters.begin(None)
    meters.count(meters.FINISHED)
    meters.count_request("GET", "/", 200)
    meters.observe(meters.FSYNC, meters.now())
    assert meters.now() == 0
