"""Leases: one run works on a job, another takes it over when the first gives no sign, and the first can do no harm."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from tests.services.conftest import Bench
from tests.services.games.bench import ADDED_AT, CONTENT, SHA256, Downloads, any_downloads, downloads
from transfer_service.db.database import Database
from transfer_service.models.games import DownloadState
from transfer_service.services import clocks
from transfer_service.services.core import utc_now
from transfer_service.services.games.leases import LEASE, FetchLeases, HashedPart, LeaseLost, Run

__all__ = ["any_downloads", "downloads"]

RIVALS = 6
ENDINGS = [DownloadState.COMPLETED, DownloadState.ERROR, DownloadState.CANCELLED]


def test_a_claimed_run_knows_its_job(any_downloads: Downloads) -> None:
    game = any_downloads.add_game()
    run = any_downloads.leases.claim(any_downloads.start(game))
    assert run is not None
    assert (run.game_id, run.game_data_id, run.sha256, run.size) == (*game, SHA256, len(CONTENT))
    assert (run.source_index, run.validator, run.part) == (0, None, None)
    assert (run.added_at, run.started_at) == (ADDED_AT, any_downloads.clock())


def test_a_claim_takes_the_lease(any_downloads: Downloads) -> None:
    job_id = any_downloads.start()
    any_downloads.clock.advance(seconds=3)
    run = any_downloads.claim(job_id)
    job = any_downloads.job(job_id)
    assert (job.lease_owner, job.lease_until) == (run.owner, any_downloads.clock() + LEASE)
    assert (job.state, job.updated_at) == (DownloadState.PENDING, any_downloads.clock())


def test_what_is_held_is_not_claimed_again(any_downloads: Downloads) -> None:
    run = any_downloads.claim()
    any_downloads.clock.advance(seconds=LEASE.total_seconds())
    assert any_downloads.leases.claim(run.job_id) is None
    assert any_downloads.job(run.job_id).lease_owner == run.owner


def test_what_gives_no_sign_is_claimed_by_another(any_downloads: Downloads) -> None:
    first = any_downloads.claim()
    any_downloads.leases.advance(first, DownloadState.DOWNLOADING, source_index=2)
    any_downloads.leases.remember_validator(first, '"v2"')
    any_downloads.clock.at += LEASE + timedelta(microseconds=1)
    second = any_downloads.claim(first.job_id)
    assert (second.source_index, second.validator, second.started_at) == (2, '"v2"', first.started_at)
    assert any_downloads.job(first.job_id).lease_owner == second.owner != first.owner


def test_a_beat_prolongs_the_lease(any_downloads: Downloads) -> None:
    run = any_downloads.claim()
    for _ in range(4):
        any_downloads.clock.advance(seconds=LEASE.total_seconds() - 1)
        assert any_downloads.leases.beat(run)
    assert any_downloads.leases.find_waiting() == []
    assert any_downloads.job(run.job_id).updated_at == any_downloads.clock()


def test_a_late_beat_counts_where_nobody_has_taken_over(downloads: Downloads) -> None:
    run = downloads.claim()
    downloads.clock.advance(seconds=20)
    assert downloads.leases.beat(run)
    assert downloads.leases.claim(run.job_id) is None


def test_a_beat_tells_how_far_the_run_is(any_downloads: Downloads) -> None:
    run = any_downloads.claim()
    with any_downloads.open_part(run) as part:
        run.part = HashedPart(part, offload=lambda work: work())
        any_downloads.leases.beat(run)
        for _ in range(3):
            run.part.append([bytes(4000)])
            any_downloads.clock.advance(seconds=2)
            any_downloads.leases.beat(run)
    facts = any_downloads.facts(run.game_id)
    assert (facts.bytes_downloaded, facts.speed, facts.progress) == (12_000, 2000, 44)


def test_a_beat_before_the_part_is_open_keeps_what_earlier_runs_have_told(downloads: Downloads) -> None:
    run = downloads.claim()
    downloads.put(run.job_id, bytes_downloaded=500)
    downloads.leases.beat(run)
    assert downloads.job(run.job_id).bytes_downloaded == 500


def test_a_lease_that_is_given_back_is_free_at_once(any_downloads: Downloads) -> None:
    run = any_downloads.claim()
    any_downloads.put(run.job_id, speed=500)
    any_downloads.leases.release(run)
    assert any_downloads.leases.find_waiting() == [run.job_id]
    assert any_downloads.job(run.job_id).speed == 0
    assert any_downloads.leases.claim(run.job_id) is not None


def test_waiting_are_those_that_nobody_works_on(any_downloads: Downloads) -> None:
    dead, ended, held = any_downloads.claim(), any_downloads.claim(), any_downloads.claim()
    any_downloads.cancel(ended.game_id)
    fresh = any_downloads.start()
    any_downloads.clock.advance(seconds=10)
    any_downloads.leases.beat(held)
    any_downloads.clock.advance(seconds=6)
    assert any_downloads.leases.find_waiting() == [dead.job_id, fresh]


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_has_ended_is_neither_waiting_nor_claimed(any_downloads: Downloads, ending: DownloadState) -> None:
    run = any_downloads.claim()
    any_downloads.bring_to(run, ending)
    any_downloads.clock.advance(days=1)
    assert (any_downloads.leases.find_waiting(), any_downloads.leases.claim(run.job_id)) == ([], None)
    assert any_downloads.leases.has_ended(run)


def test_an_unknown_job_is_not_claimed(downloads: Downloads) -> None:
    assert downloads.leases.claim(12345) is None


def test_of_several_runs_at_once_one_gets_the_job(any_downloads: Downloads) -> None:
    """Each on connections of its own, as processes are."""
    others = [Database(any_downloads.database.url) for _ in range(RIVALS)]
    leases = [any_downloads.make_leases(database=other) for other in others]
    barrier, job_id = Barrier(RIVALS), any_downloads.start()

    def claim(one: FetchLeases) -> Run | None:
        barrier.wait()
        return one.claim(job_id)

    with ThreadPoolExecutor(RIVALS) as pool:
        for _ in range(5):
            runs = [run for run in pool.map(claim, leases) if run is not None]
            assert [run.owner for run in runs] == [any_downloads.job(job_id).lease_owner]
            any_downloads.clock.advance(seconds=16)
    for other in others:
        other.dispose()


def refuses(change: Callable[[], object]) -> bool:
    try:
        return change() is False
    except LeaseLost:
        return True


@pytest.mark.parametrize("state", [DownloadState.PENDING, DownloadState.DOWNLOADING, DownloadState.VERIFYING])
def test_a_run_that_was_replaced_changes_nothing(any_downloads: Downloads, state: DownloadState) -> None:
    leases, old = any_downloads.leases, any_downloads.claim()
    any_downloads.bring_to(old, state)
    any_downloads.take_over(old)
    before = vars(any_downloads.job(old.job_id))
    leases.release(old)
    assert refuses(lambda: leases.beat(old))
    assert refuses(lambda: leases.advance(old, DownloadState.DOWNLOADING, source_index=2))
    assert refuses(lambda: leases.advance(old, DownloadState.VERIFYING, bytes_downloaded=1))
    assert refuses(lambda: leases.remember_validator(old, '"old"'))
    assert refuses(lambda: leases.fail(old, "late"))
    assert refuses(lambda: leases.complete(old, member_count=1))
    after = vars(any_downloads.job(old.job_id))
    assert {**after, "_sa_instance_state": None} == {**before, "_sa_instance_state": None}
    assert any_downloads.actions() == ["started"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_run_whose_job_has_ended_changes_nothing(any_downloads: Downloads, ending: DownloadState) -> None:
    leases, run = any_downloads.leases, any_downloads.claim()
    any_downloads.bring_to(run, ending)
    before = vars(any_downloads.job(run.job_id))
    leases.release(run)
    assert refuses(lambda: leases.beat(run))
    assert refuses(lambda: leases.advance(run, DownloadState.DOWNLOADING))
    assert refuses(lambda: leases.remember_validator(run, '"old"'))
    assert refuses(lambda: leases.fail(run, "late"))
    assert refuses(lambda: leases.complete(run, member_count=1))
    after = vars(any_downloads.job(run.job_id))
    assert {**after, "_sa_instance_state": None} == {**before, "_sa_instance_state": None}
    assert len(any_downloads.activities()) == 2


def test_a_job_that_is_not_verified_cannot_be_completed(any_downloads: Downloads) -> None:
    run = any_downloads.claim()
    any_downloads.leases.advance(run, DownloadState.DOWNLOADING)
    assert not any_downloads.leases.complete(run, member_count=1)
    assert any_downloads.state(run.job_id) is DownloadState.DOWNLOADING


def test_an_end_is_told_of_who_started_it(any_downloads: Downloads) -> None:
    run = any_downloads.claim()
    any_downloads.leases.fail(run, "first: gone")
    activity = any_downloads.activities()[-1]
    assert (activity.action, activity.username, activity.ip_address) == ("download.failed", "alice", "192.0.2.7")
    assert activity.details["error"] == any_downloads.job(run.job_id).error == "first: gone"


def test_a_completed_job_knows_its_members_and_no_source(any_downloads: Downloads) -> None:
    run = any_downloads.claim()
    any_downloads.leases.remember_validator(run, '"v1"')
    any_downloads.bring_to(run, DownloadState.COMPLETED)
    job = any_downloads.job(run.job_id)
    assert (job.member_count, job.validator, job.bytes_downloaded) == (1, None, len(CONTENT))
    assert (job.slot, job.lease_owner, job.lease_until) == (None, None, None)
    assert "error" not in any_downloads.activities()[-1].details


@pytest.mark.parametrize("ahead", [timedelta(seconds=-100), timedelta(seconds=100)])
def test_workers_and_instances_of_other_machines_go_by_the_clock_of_the_database(
    make_bench: Callable[..., Bench],
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ahead: timedelta,
) -> None:
    """A machine whose clock is ahead, or behind, neither takes a live run's job nor lets a dead one keep it."""
    bench = make_bench(database_url=postgres_url)
    here = Downloads(bench.services.database, tmp_path / "games", bench.clock)
    run = here.claim()
    there = FetchLeases(here.core(now=lambda: here.clock() + ahead), monotonic=lambda: here.clock().timestamp())
    service = here.make_service(now=lambda: here.clock() + ahead)
    here.clock.advance(seconds=60)
    assert here.leases.beat(run)
    monkeypatch.setattr(clocks, "utc_now", lambda: utc_now() + ahead)
    assert there.find_waiting() == []
    assert there.claim(run.job_id) is None
    assert service.list_downloads()[0].state.is_active
    here.clock.at += LEASE + timedelta(milliseconds=10)
    assert there.find_waiting() == [run.job_id]
    late = there.claim(run.job_id)
    assert late is not None
    lease_until = here.job(run.job_id).lease_until
    assert lease_until is not None
    # What lies between two questions to the database takes as long as the machine lets it; the clocks differ by 100 s.
    assert abs(lease_until - here.clock() - LEASE) < abs(ahead) / 10
