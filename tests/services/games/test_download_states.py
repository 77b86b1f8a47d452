"""The states of a remote download: which may follow which, in the enum and in the rows."""

from datetime import timedelta
from itertools import product

import pytest

from tests.services.games.bench import Downloads, any_downloads, downloads
from transfer_service.models.games import ACTIVE_STATES, DownloadState
from transfer_service.services.games import job_rows as download_rows
from transfer_service.services.games.leases import Run

__all__ = ["any_downloads", "downloads"]

STATES = list(DownloadState)
PAIRS = list(product(STATES, STATES))
FINAL = [DownloadState.COMPLETED, DownloadState.ERROR, DownloadState.CANCELLED]
ACTIVE = [DownloadState.PENDING, DownloadState.DOWNLOADING, DownloadState.VERIFYING]
FOLLOWERS = {
    "pending": {"downloading", "error", "cancelled"},
    "downloading": {"verifying", "error", "cancelled"},
    "verifying": {"downloading", "completed", "error", "cancelled"},
    "completed": set(),
    "error": set(),
    "cancelled": set(),
}


def test_the_states_are_those_of_the_contract() -> None:
    assert [state.value for state in DownloadState] == list(FOLLOWERS)
    assert set(ACTIVE) == ACTIVE_STATES


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_state_may_become(before: DownloadState, after: DownloadState) -> None:
    assert before.may_become(after) == (after.value in FOLLOWERS[before.value])


@pytest.mark.parametrize("state", STATES)
def test_a_state_is_active_until_it_is_final(state: DownloadState) -> None:
    assert state.is_active == (state not in FINAL)


def in_state(downloads: Downloads, state: DownloadState) -> Run:
    """A run whose job is in this state, and the lease its own, even if that is final: so only the state counts."""
    run = downloads.claim()
    downloads.bring_to(run, state)
    downloads.put(run.job_id, lease_owner=run.owner)
    assert downloads.state(run.job_id) is state
    return run


def test_a_row_advances_only_where_its_state_may(any_downloads: Downloads) -> None:
    """Every pair, on one database: what may be there already stays where it is."""
    for before, after in product(STATES, ACTIVE):
        run = in_state(any_downloads, before)
        with any_downloads.database.write() as session:
            is_done = download_rows.advance(session, run.job_id, after, owner=run.owner)
        allowed = after.value in FOLLOWERS[before.value] or before is after
        assert (is_done, any_downloads.state(run.job_id)) == (allowed, after if allowed else before), (before, after)
        any_downloads.leases.fail(run, "done with")


def test_a_row_ends_only_where_its_state_may(any_downloads: Downloads) -> None:
    for before, after in product(STATES, FINAL):
        run = in_state(any_downloads, before)
        logged = len(any_downloads.activities())
        with any_downloads.database.write() as session:
            is_done = download_rows.finish(session, run.job_id, after, at=any_downloads.clock(), sources=[])
        allowed = after.value in FOLLOWERS[before.value]
        assert (is_done, any_downloads.state(run.job_id)) == (allowed, after if allowed else before), (before, after)
        assert len(any_downloads.activities()) == logged + allowed
        any_downloads.leases.fail(run, "done with")


def test_no_two_archives_are_completed_within_the_same_second(any_downloads: Downloads) -> None:
    """That second is the date of their members, of which one may take the address of another."""
    dates = []
    for _ in range(3):
        run = any_downloads.claim()
        any_downloads.bring_to(run, DownloadState.COMPLETED)
        finished_at = any_downloads.job(run.job_id).finished_at
        assert finished_at is not None
        dates.append(finished_at.replace(microsecond=0))
    first = any_downloads.clock().replace(microsecond=0)
    assert dates == [first + timedelta(seconds=number) for number in range(3)]
