"""The download worker: who keeps a lease while the work goes on, and what ends it. Leases and work are told what to do.

Run as a process of its own (`run_until_told`) where it stops, because its signals would be pytest's.
"""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import gevent
import pytest
import structlog
from gevent.event import Event
from structlog.testing import capture_logs

from tests.live.server import REPOSITORY
from transfer_service.errors import ReadFailed, StoreUnavailable, TransferError
from transfer_service.logs import configure_logging
from transfer_service.models.games import DownloadState
from transfer_service.services.games.leases import LeaseLost, Run
from transfer_service.worker import FAULT, Worker

JOB = 7
BEAT_SECONDS = 0.02
LEASE_SECONDS = 0.3
PATIENCE_SECONDS = 10.0
AT = datetime(2026, 5, 1, tzinfo=UTC)


def run_of(job_id: int) -> Run:
    return Run(job_id, uuid.uuid4(), uuid.uuid4(), 1, "0" * 64, 10, 0, None, AT, AT)


def agree() -> bool:
    return True


def be_away() -> bool:
    raise StoreUnavailable


@dataclass
class FakeLeases:
    """`beating` answers each beat; `claiming` is called before each claim and `failing` before each end in `error`."""

    beating: Callable[[], bool] = agree
    claiming: Callable[[], object] = agree
    failing: Callable[[], object] = agree
    lease: timedelta = timedelta(seconds=LEASE_SECONDS)
    is_free: bool = True
    claimed: list[int] = field(default_factory=list)
    failed: list[tuple[int, str]] = field(default_factory=list)
    released: list[int] = field(default_factory=list)
    beats: int = 0

    def claim(self, job_id: int) -> Run | None:
        self.claimed.append(job_id)
        self.claiming()
        return run_of(job_id) if self.is_free else None

    def beat(self, _run: Run) -> bool:
        self.beats += 1
        return self.beating()

    def fail(self, run: Run, error: str) -> bool:
        self.failing()
        self.failed.append((run.job_id, error))
        return True

    def release(self, run: Run) -> None:
        self.released.append(run.job_id)


@dataclass
class FakeFetching:
    """Works until `finish` is set, or raises `failure` at once. `ends` tells how each work has ended."""

    failure: Exception | None = None
    started: Event = field(default_factory=Event)
    finish: Event = field(default_factory=Event)
    tidied: Event = field(default_factory=Event)
    ends: list[str] = field(default_factory=list)

    def work(self, _run: Run) -> DownloadState:
        self.started.set()
        try:
            if self.failure is not None:
                raise self.failure
            self.finish.wait()
        except BaseException as end:
            self.ends.append(type(end).__name__)
            raise
        self.ends.append("done")
        return DownloadState.COMPLETED

    def tidy(self, _run: Run) -> None:
        self.tidied.set()

    def wait_until_tidied(self) -> None:
        assert self.tidied.wait(PATIENCE_SECONDS), "nobody tidied up"


def make_worker(leases: Any, fetching: Any, *, look_seconds: float = BEAT_SECONDS) -> Worker:
    return Worker(leases=leases, fetching=fetching, beat_seconds=BEAT_SECONDS, look_seconds=look_seconds)


def test_work_that_ends_well_gives_the_lease_back() -> None:
    leases, fetching = FakeLeases(), FakeFetching()
    make_worker(leases, fetching).begin(JOB)
    fetching.finish.set()
    fetching.wait_until_tidied()
    assert (fetching.ends, leases.failed, leases.released) == (["done"], [], [JOB])


def test_a_fault_of_ours_ends_the_job_and_is_logged_without_its_message() -> None:
    leases, fetching = FakeLeases(), FakeFetching(failure=RuntimeError("a secret"))
    with capture_logs() as log:
        make_worker(leases, fetching).begin(JOB)
        fetching.wait_until_tidied()
    assert leases.failed == [(JOB, FAULT)]
    assert [line["error"] for line in log if line["event"] == "failure"] == ["RuntimeError"]
    assert "secret" not in str(log)


def test_a_fault_that_cannot_be_stored_still_gives_the_lease_back() -> None:
    leases, fetching = FakeLeases(failing=be_away), FakeFetching(failure=RuntimeError())
    with capture_logs() as log:
        make_worker(leases, fetching).begin(JOB)
        fetching.wait_until_tidied()
    assert [(line["event"], line["error"]) for line in log if line["event"] in {"failure", "machine_fault"}] == [
        ("failure", "RuntimeError"),
        ("machine_fault", "StoreUnavailable"),
    ]
    assert (leases.failed, leases.released) == ([], [JOB])


@pytest.mark.parametrize(
    ("failure", "event"),
    [
        pytest.param(LeaseLost(), "lease_lost", id="lease-lost"),
        pytest.param(StoreUnavailable(), "interrupted", id="database-away"),
        pytest.param(ReadFailed(), "interrupted", id="disk-unreadable"),
    ],
)
def test_what_another_run_can_go_on_with_does_not_end_the_job(failure: LeaseLost | TransferError, event: str) -> None:
    leases, fetching = FakeLeases(), FakeFetching(failure=failure)
    with capture_logs() as log:
        make_worker(leases, fetching).begin(JOB)
        fetching.wait_until_tidied()
    assert [line["event"] for line in log] == ["fetching", event]
    assert (leases.failed, leases.released) == ([], [JOB])


def test_a_lost_lease_ends_the_work_at_the_next_beat() -> None:
    leases, fetching = FakeLeases(beating=lambda: False), FakeFetching()
    make_worker(leases, fetching).begin(JOB)
    fetching.wait_until_tidied()
    assert (fetching.ends, leases.beats, leases.failed) == (["GreenletExit"], 1, [])


def test_a_database_that_is_away_ends_the_work_when_the_lease_has_run_out() -> None:
    leases, fetching = FakeLeases(beating=be_away), FakeFetching()
    began_at = time.monotonic()
    make_worker(leases, fetching).begin(JOB)
    fetching.wait_until_tidied()
    assert time.monotonic() - began_at >= LEASE_SECONDS
    assert (fetching.ends, leases.beats > 1, leases.failed) == (["GreenletExit"], True, [])


def test_a_database_that_is_away_for_less_than_the_lease_disturbs_nobody() -> None:
    leases, fetching = FakeLeases(), FakeFetching()
    outlived = Event()
    until = time.monotonic() + 3 * LEASE_SECONDS

    def be_away_now_and_then() -> bool:
        if time.monotonic() > until:
            outlived.set()
        return agree() if leases.beats % 2 else be_away()

    leases.beating = be_away_now_and_then
    make_worker(leases, fetching).begin(JOB)
    assert outlived.wait(PATIENCE_SECONDS)
    fetching.finish.set()
    fetching.wait_until_tidied()
    assert fetching.ends == ["done"]


def test_a_job_is_never_run_twice_at_once() -> None:
    leases, fetching = FakeLeases(), FakeFetching()
    worker = make_worker(leases, fetching)
    worker.begin(JOB)
    worker.begin(JOB)
    assert fetching.started.wait(PATIENCE_SECONDS)
    worker.begin(JOB)
    fetching.finish.set()
    fetching.wait_until_tidied()
    assert (leases.claimed, fetching.ends) == ([JOB], ["done"])


def test_jobs_run_beside_each_other() -> None:
    leases, fetching = FakeLeases(), FakeFetching()
    worker = make_worker(leases, fetching)
    all_claimed = Event()
    leases.claiming = lambda: len(leases.claimed) == 3 and all_claimed.set()  # type: ignore[func-returns-value]
    for job_id in (1, 2, 3):
        worker.begin(job_id)
    assert all_claimed.wait(PATIENCE_SECONDS)
    assert (leases.claimed, fetching.ends) == ([1, 2, 3], [])
    fetching.finish.set()
    fetching.wait_until_tidied()


def test_a_job_that_another_worker_has_is_left_alone() -> None:
    leases, fetching = FakeLeases(is_free=False), FakeFetching()
    asked = Event()
    leases.claiming = asked.set
    make_worker(leases, fetching).begin(JOB)
    assert asked.wait(PATIENCE_SECONDS)
    assert (fetching.started.is_set(), leases.released) == (False, [])


def test_a_job_whose_claim_has_failed_can_be_begun_again() -> None:
    leases, fetching = FakeLeases(), FakeFetching()
    worker = make_worker(leases, fetching)
    asked = Event()

    def fail() -> None:
        asked.set()
        raise StoreUnavailable

    leases.claiming = fail
    worker.begin(JOB)
    assert asked.wait(PATIENCE_SECONDS)
    leases.claiming = agree
    worker.begin(JOB)
    fetching.finish.set()
    fetching.wait_until_tidied()
    assert (leases.claimed, fetching.ends) == ([JOB, JOB], ["done"])


JOBS = [1, 2, 3]


class LoggedLeases(FakeLeases):
    """Logs what becomes of it. Cannot look for jobs the first time, and has three from then on."""

    looks = 0

    def find_waiting(self) -> list[int]:
        self.looks += 1
        return JOBS if self.looks > 1 else [be_away()]

    def release(self, run: Run) -> None:
        structlog.get_logger().info("released", job=run.job_id)


def run_until_told() -> None:
    """A worker with three jobs, one JSON object a line on standard output."""
    configure_logging()
    leases, fetching = LoggedLeases(lease=timedelta(minutes=1)), FakeFetching()
    gevent.spawn_later(PATIENCE_SECONDS, fetching.finish.set)
    make_worker(leases, fetching).run()
    structlog.get_logger().info("left", ends=fetching.ends)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_gives_every_lease_back(number: signal.Signals) -> None:
    command = [sys.executable, "-c", "from tests import test_worker; test_worker.run_until_told()"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = map(json.loads, process.stdout)
        before = [next(lines)["event"] for _ in range(2 + len(JOBS))]
        process.send_signal(number)
        after = list(lines)
    assert (before, process.returncode) == (["worker_started", "machine_fault", *["fetching"] * len(JOBS)], 0)
    assert sorted(line["job"] for line in after if line["event"] == "released") == JOBS
    assert after[-1]["ends"] == ["GreenletExit"] * len(JOBS)


class IdleLeases(FakeLeases):
    """There are no jobs."""

    def find_waiting(self) -> list[int]:
        return []


def run_rounds() -> None:
    """A worker without jobs that has more to do: the second round of it fails, and from the fourth on all is done."""
    configure_logging()
    rounds: list[int] = []

    def work() -> int:
        rounds.append(len(rounds))
        structlog.get_logger().info("round", number=len(rounds))
        if len(rounds) == 2:
            be_away()
        return int(len(rounds) < 4)

    Worker(leases=cast(Any, IdleLeases()), fetching=cast(Any, FakeFetching()), beside=work, look_seconds=0.01).run()


def test_what_is_done_beside_goes_on_after_it_has_failed_and_ends_with_the_worker() -> None:
    command = [sys.executable, "-c", "from tests import test_worker; test_worker.run_rounds()"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = map(json.loads, process.stdout)
        before = [next(lines) for _ in range(7)]
        process.send_signal(signal.SIGTERM)
        after = list(lines)
    events = [line.get("number") or line["event"] for line in before]
    assert events == ["worker_started", 1, 2, "machine_fault", 3, 4, 5]
    assert (after[-1]["event"], process.returncode) == ("worker_stopped", 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_in_read_only_mode_it_rests_until_it_is_told(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gevent.monkey", "--module", "transfer_service.worker"]
    settings = {"TRANSFER_READ_ONLY": "true", "TRANSFER_DATA_DIR": str(tmp_path), "SECRET_KEY": "x" * 32}
    resting = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert resting.stdout is not None
    assert json.loads(resting.stdout.readline())["event"] == "worker_rests"
    with pytest.raises(subprocess.TimeoutExpired):
        resting.wait(0.3)
    resting.send_signal(number)
    _, errors = resting.communicate(timeout=20)
    assert (resting.returncode, errors) == (0, "")
