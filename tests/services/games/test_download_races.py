"""Endings that race: whatever is first, a job has one end, one activity tells of it, and its slot is free."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.proofs import length
from tests.services.games.bench import CONTENT, Downloads, FakeIndexer, any_downloads, downloads
from transfer_service.errors import NotFound, RangeBusy
from transfer_service.models.games import DownloadState
from transfer_service.services.games.downloads import ABANDONED_AFTER
from transfer_service.services.games.leases import LeaseLost, Run

pytestmark = pytest.mark.long

__all__ = ["any_downloads", "downloads"]

RACES = 40  # for each of the tables' rows and on each database
COMPLETIONS = length(200, whole=500)  # against cancelling, on each database
Racer = Callable[[Run], object]
FINAL = {"completed": "completed", "error": "failed", "cancelled": "cancelled"}


def race(run: Run, racers: list[Racer], pool: ThreadPoolExecutor) -> None:
    """All at once, and the next race when all have arrived."""
    barrier = Barrier(len(racers))

    def go(racer: Racer) -> None:
        barrier.wait(30)
        racer(run)

    list(pool.map(go, racers))


def check_ends(downloads: Downloads, runs: list[Run]) -> Counter[str]:
    """That every job has ended once, and how often they ended how."""
    logged, ends = downloads.actions_by_game(), Counter[str]()
    for run in runs:
        job = downloads.job(run.job_id)
        assert logged[str(run.game_id)] == {"started": 1, FINAL[job.state.value]: 1}
        assert (job.slot, job.active_game_id, job.lease_owner) == (None, None, None)
        ends[job.state.value] += 1
    return ends


def complete(downloads: Downloads) -> Racer:
    return lambda run: downloads.leases.complete(run, member_count=1)


def fail(downloads: Downloads) -> Racer:
    return lambda run: downloads.leases.fail(run, "no more")


def cancel(downloads: Downloads) -> Racer:
    def cancel(run: Run) -> None:
        try:
            downloads.cancel(run.game_id)
        except NotFound:
            return

    return cancel


def abandon(downloads: Downloads) -> Racer:
    return lambda run: downloads.service.find_progress([run.game_id])


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([cancel], id="cancel"),
        pytest.param([cancel, cancel], id="two-cancel"),
        pytest.param([cancel, fail, abandon], id="everything"),
    ],
)
def test_a_job_has_one_end(any_downloads: Downloads, others: list[Callable[[Downloads], Racer]]) -> None:
    racers: list[Any] = [each(any_downloads) for each in (complete, *others)]
    runs = []
    with ThreadPoolExecutor(len(racers)) as pool:
        for number in range(RACES):
            runs.append(run := any_downloads.claim())
            any_downloads.bring_to(run, DownloadState.VERIFYING)
            any_downloads.clock.advance(seconds=ABANDONED_AFTER.total_seconds() + 1)
            first = number % len(racers)
            race(run, racers[first:] + racers[:first], pool)
            assert not any_downloads.state(run.job_id).is_active
    assert check_ends(any_downloads, runs).total() == RACES
    assert any_downloads.slots() == []


def test_an_archive_is_there_if_and_only_if_its_download_was_completed(any_downloads: Downloads) -> None:
    """A whole run against who cancels it, which comes a little later each time."""
    runs = []
    with ThreadPoolExecutor(2) as pool:
        for number in range(COMPLETIONS):
            runs.append(run := any_downloads.claim())
            race(run, [worker(any_downloads), cancel_after(any_downloads, number % 10)], pool)
    ends = check_ends(any_downloads, runs)
    completed = {f"{run.game_data_id}.zip" for run in runs if any_downloads.state(run.job_id) == "completed"}
    assert (any_downloads.files(), ends.total()) == (completed, COMPLETIONS)


def worker(downloads: Downloads) -> Racer:
    def work(run: Run) -> None:
        try:
            downloads.fetching.work(run)
        except (LeaseLost, RangeBusy):  # another one goes on
            return
        finally:
            downloads.fetching.tidy(run)

    return work


def cancel_after(downloads: Downloads, reads: int) -> Racer:
    """Who cancels after some reads of the database: the measure of time of these races."""

    def wait_and_cancel(run: Run) -> None:
        for _ in range(reads):
            downloads.state(run.job_id)
        cancel(downloads)(run)

    return wait_and_cancel


def test_a_cancelled_archive_goes_or_serves_the_job_that_is_started_at_that_moment(any_downloads: Downloads) -> None:
    """The next job of the same data begins while the archive of the cancelled one is taken back."""
    with ThreadPoolExecutor(2) as pool:
        for _ in range(RACES // 2):
            game = any_downloads.add_game()
            run = any_downloads.claim(any_downloads.start(game))
            indexer = FakeIndexer(lambda run=run: any_downloads.cancel(run.game_id))  # type: ignore[misc]
            fetching, barrier = any_downloads.make_fetching(archives=indexer), Barrier(2)
            indexer.meanwhile = cancel_and_wait(any_downloads, run, barrier)
            first = pool.submit(any_downloads.work_or_lose, run, fetching=fetching)
            second = pool.submit(start_again, any_downloads, game, barrier)
            first.result(30)
            second.result(30)
            assert any_downloads.actions()[-4:] == ["started", "cancelled", "started", "completed"]
            assert any_downloads.archive(game[1]) == CONTENT


def cancel_and_wait(downloads: Downloads, run: Run, barrier: Barrier) -> Callable[[], None]:
    def meanwhile() -> None:
        downloads.cancel(run.game_id)
        barrier.wait(30)

    return meanwhile


def start_again(downloads: Downloads, game: Any, barrier: Barrier) -> None:
    barrier.wait(30)
    run = downloads.claim(downloads.start(game))
    worker(downloads)(run)


def test_runs_that_take_over_at_once_bring_the_job_to_one_end(any_downloads: Downloads) -> None:
    """Each holds the lease when it begins, and has lost it to the next one when it goes on."""
    runs = []
    with ThreadPoolExecutor(3) as pool:
        for _ in range(RACES // 4):
            old = any_downloads.claim()
            middle = any_downloads.take_over(old)
            last = any_downloads.take_over(middle)
            barrier = Barrier(3)
            for work in [pool.submit(together, any_downloads, run, barrier) for run in (old, middle, last)]:
                work.result(30)
            if any_downloads.state(last.job_id).is_active:  # the part was taken from it, so it gave up
                worker(any_downloads)(any_downloads.take_over(last))
            runs.append(last)
            assert any_downloads.archive(last.game_data_id) == CONTENT
    assert check_ends(any_downloads, runs) == {"completed": len(runs)}


def together(downloads: Downloads, run: Run, barrier: Barrier) -> None:
    barrier.wait(30)
    worker(downloads)(run)
