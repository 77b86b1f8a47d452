"""Fetching: sources in their order, bytes verified before they are published, and runs that take over from others."""

import pytest

from tests.services.games.bench import (
    CONTENT,
    SHA256,
    WRONG,
    Answer,
    Downloads,
    FakeIndexer,
    Request,
    any_downloads,
    downloads,
    fails,
    gives,
    raises,
)
from transfer_service.errors import SourceFailed, StorageFull, StoreUnavailable
from transfer_service.models.games import DownloadState, GameData
from transfer_service.services.games.fetching import LONGEST_SECONDS, NO_SOURCES, WRONG_BYTES
from transfer_service.services.games.leases import LeaseLost

__all__ = ["any_downloads", "downloads"]

HALF = len(CONTENT) // 2
LONG = CONTENT + b"x"


def test_a_download_ends_as_the_catalogues_archive(any_downloads: Downloads) -> None:
    run = any_downloads.claim()
    any_downloads.work(run)
    job = any_downloads.job(run.job_id)
    assert (job.state, job.bytes_downloaded, job.member_count) == (DownloadState.COMPLETED, len(CONTENT), 7)
    assert (any_downloads.archive(run.game_data_id), any_downloads.files()) == (CONTENT, {f"{run.game_data_id}.zip"})
    assert (any_downloads.actions(), any_downloads.slots()) == (["started", "completed"], [])


def test_a_source_is_asked_for_the_archive_until_a_day_after_the_start(downloads: Downloads) -> None:
    run = downloads.claim()
    downloads.clock.advance(hours=5)
    downloads.work(run)
    request = downloads.network.requests[0]
    assert (request.start, request.size, request.validator) == (0, len(CONTENT), None)
    assert request.deadline == pytest.approx(run.started_at.timestamp() + LONGEST_SECONDS)


def test_while_bytes_come_nothing_can_be_seen(downloads: Downloads) -> None:
    run = downloads.claim()
    seen: list[tuple[DownloadState, bytes | None]] = []

    def look(_: object) -> None:
        seen.append((downloads.state(run.job_id), downloads.archive(run.game_data_id)))
        raise SourceFailed

    downloads.network.answers["first"] = [look]
    downloads.work(run)
    assert seen == [(DownloadState.DOWNLOADING, None)]


def test_the_archive_is_indexed_before_the_download_is_completed(downloads: Downloads) -> None:
    run = downloads.claim()
    seen: list[tuple[DownloadState, bytes | None]] = []
    look = FakeIndexer(lambda: seen.append((downloads.state(run.job_id), downloads.archive(run.game_data_id))))
    downloads.work(run, archives=look)
    assert (seen, look.indexed) == ([(DownloadState.VERIFYING, CONTENT)], [run.game_data_id])


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(fails(), id="refused"),
        pytest.param(fails(after=CONTENT[:HALF]), id="broken-half-way"),
        pytest.param(gives(WRONG), id="wrong-bytes"),
    ],
)
def test_the_next_source_begins_with_nothing(any_downloads: Downloads, answer: Answer) -> None:
    any_downloads.network.answers = {"first": [answer], "second": [fails("The second is down too")]}
    run = any_downloads.claim()
    any_downloads.work(run)
    assert any_downloads.network.asked() == [("first", 0), ("second", 0), ("third", 0)]
    assert [request.validator for request in any_downloads.network.requests] == [None] * 3
    assert any_downloads.state(run.job_id) is DownloadState.COMPLETED


def test_where_all_sources_fail_the_error_names_each(any_downloads: Downloads) -> None:
    any_downloads.network.answers = {"first": [fails("gone")], "second": [gives(WRONG)], "third": [fails("broken")]}
    run = any_downloads.claim()
    any_downloads.work(run)
    job = any_downloads.job(run.job_id)
    assert (job.state, job.error) == (DownloadState.ERROR, f"first: gone; second: {WRONG_BYTES}; third: broken")
    assert (any_downloads.files(), any_downloads.slots()) == (set(), [])
    assert any_downloads.actions() == ["started", "failed"]


def test_without_sources_a_download_fails(downloads: Downloads) -> None:
    run = downloads.claim()
    downloads.work(run, sources=())
    job = downloads.job(run.job_id)
    assert (job.state, job.error) == (DownloadState.ERROR, NO_SOURCES)
    assert downloads.activities()[-1].details["error"] == NO_SOURCES


def test_a_full_disk_ends_the_download(any_downloads: Downloads) -> None:
    any_downloads.network.answers["first"] = [raises(StorageFull(), after=CONTENT[:HALF])]
    run = any_downloads.claim()
    any_downloads.work(run)
    job = any_downloads.job(run.job_id)
    assert (job.state, job.error, any_downloads.files()) == (DownloadState.ERROR, StorageFull.detail, set())
    assert any_downloads.actions() == ["started", "failed"]


@pytest.mark.parametrize("error", [StoreUnavailable(), RuntimeError()])
def test_what_is_not_the_sources_fault_leaves_the_job_and_its_part(downloads: Downloads, error: Exception) -> None:
    downloads.network.answers["first"] = [raises(error, after=CONTENT[:HALF])]
    run = downloads.claim()
    with pytest.raises(type(error)):
        downloads.work(run)
    downloads.fetching.tidy(run)
    assert (downloads.state(run.job_id), downloads.files()) == (DownloadState.DOWNLOADING, {f"{run.job_id}.part"})
    downloads.work(downloads.take_over(run))
    assert downloads.network.asked()[-1] == ("first", HALF)


def test_a_database_that_is_away_at_the_end_leaves_the_archive_to_the_next_run(downloads: Downloads) -> None:
    def break_down() -> None:
        raise StoreUnavailable

    run = downloads.claim()
    with pytest.raises(StoreUnavailable):
        downloads.work_or_lose(run, archives=FakeIndexer(break_down))
    assert downloads.state(run.job_id) is DownloadState.VERIFYING
    downloads.work(downloads.take_over(run))
    assert (downloads.state(run.job_id), len(downloads.network.requests)) == (DownloadState.COMPLETED, 1)


def test_the_part_of_a_job_that_goes_on_stays(downloads: Downloads) -> None:
    run = downloads.claim()
    path = downloads.leave_part(run.job_id, CONTENT[:HALF])
    downloads.fetching.tidy(run)
    assert path.exists()


def test_the_digest_is_the_catalogues_of_the_start(downloads: Downloads) -> None:
    """A catalogue that is imported meanwhile counts for the next download."""
    run = downloads.claim()
    with downloads.database.write() as session:
        session.get_one(GameData, run.game_data_id).sha256 = "0" * 64
    downloads.work(run)
    assert downloads.state(run.job_id) is DownloadState.COMPLETED
    assert downloads.activities()[-1].details["sha256"] == SHA256


@pytest.mark.parametrize("sent", [b"", CONTENT[:HALF], CONTENT], ids=["nothing", "half", "all"])
def test_a_download_is_cancelled_while_bytes_come(any_downloads: Downloads, sent: bytes) -> None:
    run = any_downloads.claim()

    def cancel_meanwhile(request: Request) -> None:
        any_downloads.cancel(run.game_id)
        request.sink.append([sent])

    any_downloads.network.answers["first"] = [cancel_meanwhile]
    with pytest.raises(LeaseLost):
        any_downloads.work(run)
    any_downloads.fetching.tidy(run)
    assert (any_downloads.state(run.job_id), any_downloads.files()) == (DownloadState.CANCELLED, set())
    assert any_downloads.actions() == ["started", "cancelled"]


def test_a_download_is_cancelled_after_its_archive_was_published(any_downloads: Downloads) -> None:
    run = any_downloads.claim()
    any_downloads.work_or_lose(run, archives=FakeIndexer(lambda: any_downloads.cancel(run.game_id)))
    assert (any_downloads.state(run.job_id), any_downloads.files()) == (DownloadState.CANCELLED, set())
    assert any_downloads.actions() == ["started", "cancelled"]


def test_an_archive_of_a_cancelled_job_stays_while_another_job_needs_it(any_downloads: Downloads) -> None:
    game = any_downloads.add_game()
    run = any_downloads.claim(any_downloads.start(game))

    def cancel_and_start_again() -> None:
        any_downloads.cancel(game[0])
        any_downloads.start(game)

    any_downloads.work_or_lose(run, archives=FakeIndexer(cancel_and_start_again))
    assert any_downloads.archive(game[1]) == CONTENT
    any_downloads.work(any_downloads.claim(*any_downloads.leases.find_waiting()))
    assert (any_downloads.actions()[-1], len(any_downloads.network.requests)) == ("completed", 1)


def test_an_archive_of_a_cancelled_job_stays_when_another_job_has_completed_with_it(any_downloads: Downloads) -> None:
    game = any_downloads.add_game()
    run = any_downloads.claim(any_downloads.start(game))

    def cancel_and_complete_another() -> None:
        any_downloads.cancel(game[0])
        any_downloads.work(any_downloads.claim(any_downloads.start(game)))

    any_downloads.work_or_lose(run, archives=FakeIndexer(cancel_and_complete_another))
    assert any_downloads.archive(game[1]) == CONTENT
    assert any_downloads.actions() == ["started", "cancelled", "started", "completed"]


def test_an_archive_of_a_cancelled_job_goes_although_another_of_the_game_is_downloaded(downloads: Downloads) -> None:
    game = downloads.add_game()
    run = downloads.claim(downloads.start(game))
    other = (game[0], downloads.add_data(game[0]))

    def cancel_and_start_another() -> None:
        downloads.cancel(game[0])
        downloads.start(other)

    downloads.work_or_lose(run, archives=FakeIndexer(cancel_and_start_another))
    assert downloads.archive(game[1]) is None
