"""Zombies: runs that were asleep while another run took their job over, and wake up."""

from datetime import timedelta

import pytest

from tests.services.games.bench import CONTENT, WRONG, Downloads, FakeIndexer, Request, any_downloads, downloads
from transfer_service.errors import StorageFull
from transfer_service.models.games import DownloadState
from transfer_service.services.games.leases import LeaseLost

__all__ = ["any_downloads", "downloads"]

HALF = len(CONTENT) // 2
LONG = CONTENT + b"x"


def test_a_zombie_cannot_go_on(any_downloads: Downloads) -> None:
    zombie = any_downloads.claim()
    any_downloads.network.answers["first"] = [lambda _: any_downloads.take_over(zombie)]
    with pytest.raises(LeaseLost):
        any_downloads.work(zombie)
    assert any_downloads.state(zombie.job_id) is DownloadState.DOWNLOADING
    assert len(any_downloads.network.requests) == 1


def test_a_zombie_cannot_fail_the_job(any_downloads: Downloads) -> None:
    zombie = any_downloads.claim()

    def take_over_and_break(_: object) -> None:
        any_downloads.take_over(zombie)
        raise StorageFull

    any_downloads.network.answers["first"] = [take_over_and_break]
    any_downloads.work(zombie)
    assert any_downloads.state(zombie.job_id) is DownloadState.DOWNLOADING
    assert any_downloads.actions() == ["started"]


def test_a_zombie_leaves_the_part_of_the_new_run_alone(downloads: Downloads) -> None:
    zombie = downloads.claim()

    def take_over(_: object) -> None:
        with downloads.open_part(downloads.take_over(zombie)) as part:
            part.write(0, [CONTENT[:HALF]])

    downloads.network.answers["first"] = [take_over]
    with pytest.raises(LeaseLost):
        downloads.work(zombie)
    downloads.fetching.tidy(zombie)
    assert (downloads.root / f"{zombie.job_id}.part").read_bytes() == CONTENT[:HALF]


def test_a_zombie_that_begins_late_leaves_the_new_run_its_part(downloads: Downloads) -> None:
    """It was asleep between taking the lease and opening the part."""
    zombie = downloads.claim()
    with downloads.open_part(downloads.take_over(zombie)) as part:
        part.write(0, [CONTENT[:HALF]])
        with pytest.raises(LeaseLost):
            downloads.work(zombie)
        part.write(HALF, [b"more"])
    assert (downloads.root / f"{zombie.job_id}.part").read_bytes() == CONTENT[:HALF] + b"more"


def test_a_zombie_writes_into_nothing(downloads: Downloads) -> None:
    zombie = downloads.claim()

    def work_meanwhile(request: Request) -> None:
        downloads.work(downloads.take_over(zombie))
        request.sink.append([WRONG])

    downloads.network.answers["first"] = [work_meanwhile]
    with pytest.raises(LeaseLost):
        downloads.work(zombie)
    downloads.fetching.tidy(zombie)
    assert downloads.network.asked() == [("first", 0), ("first", 0)]
    assert downloads.files() == {f"{zombie.game_data_id}.zip"}
    assert (downloads.archive(zombie.game_data_id), downloads.actions()) == (CONTENT, ["started", "completed"])


def test_a_zombie_does_not_take_back_the_archive_that_the_new_run_works_on(any_downloads: Downloads) -> None:
    zombie = any_downloads.claim()
    any_downloads.work_or_lose(zombie, archives=FakeIndexer(lambda: any_downloads.take_over(zombie)))
    assert any_downloads.state(zombie.job_id) is DownloadState.VERIFYING
    assert any_downloads.archive(zombie.game_data_id) == CONTENT


def test_a_zombie_does_not_take_back_the_archive_that_the_new_run_has_completed(any_downloads: Downloads) -> None:
    zombie = any_downloads.claim()
    finish = FakeIndexer(lambda: any_downloads.work(any_downloads.take_over(zombie)))
    any_downloads.work_or_lose(zombie, archives=finish)
    assert any_downloads.state(zombie.job_id) is DownloadState.COMPLETED
    assert (any_downloads.archive(zombie.game_data_id), any_downloads.actions()) == (
        CONTENT,
        ["started", "completed"],
    )


def test_a_run_takes_back_its_archive_where_the_job_was_abandoned(downloads: Downloads) -> None:
    run = downloads.claim()

    def abandon() -> None:
        downloads.clock.at += timedelta(seconds=46)
        downloads.service.list_downloads()

    downloads.work_or_lose(run, archives=FakeIndexer(abandon))
    assert (downloads.state(run.job_id), downloads.files()) == (DownloadState.ERROR, set())
    assert downloads.actions() == ["started", "failed"]
