"""What a run makes of what a killed one has left: its part, its source, its archive."""

import hashlib

import pytest

from tests.services.games.bench import (
    CONTENT,
    WRONG,
    Downloads,
    Request,
    any_downloads,
    downloads,
    fails,
    gives,
    raises,
)
from transfer_service.models.games import DownloadState, GameData

__all__ = ["any_downloads", "downloads"]

HALF = len(CONTENT) // 2
LONG = CONTENT + b"x"


def test_a_run_goes_on_where_the_part_ends(any_downloads: Downloads) -> None:
    first = any_downloads.claim()
    any_downloads.leases.advance(first, DownloadState.DOWNLOADING)
    any_downloads.leases.remember_validator(first, '"v1"')
    any_downloads.leave_part(first.job_id, CONTENT[:HALF])
    any_downloads.work(any_downloads.take_over(first))
    assert [(each.start, each.validator) for each in any_downloads.network.requests] == [(HALF, '"v1"')]
    assert any_downloads.archive(first.game_data_id) == CONTENT


def test_a_run_goes_on_with_the_same_source(any_downloads: Downloads) -> None:
    first = any_downloads.claim()
    any_downloads.network.answers = {"first": [fails()], "second": [raises(RuntimeError(), after=CONTENT[:HALF])]}
    with pytest.raises(RuntimeError):
        any_downloads.work(first)
    any_downloads.work(any_downloads.take_over(first))
    assert any_downloads.network.asked() == [("first", 0), ("second", 0), ("second", HALF)]
    assert any_downloads.state(first.job_id) is DownloadState.COMPLETED


def test_a_whole_part_is_verified_and_published(downloads: Downloads) -> None:
    run = downloads.claim()
    downloads.leave_part(run.job_id, CONTENT)
    downloads.work(run)
    assert downloads.network.asked() == [("first", len(CONTENT))]
    assert (downloads.state(run.job_id), downloads.archive(run.game_data_id)) == (DownloadState.COMPLETED, CONTENT)


@pytest.mark.parametrize(
    ("left", "asked"),
    [
        pytest.param(WRONG[:HALF], [("first", HALF), ("first", 0)], id="half-of-other-bytes"),
        pytest.param(bytes(len(CONTENT)), [("first", len(CONTENT)), ("first", 0)], id="only-zeros"),
        pytest.param(LONG, [("first", 0)], id="too-long"),
    ],
)
def test_a_bad_part_gets_a_second_chance_from_its_source(
    downloads: Downloads, left: bytes, asked: list[tuple[str, int]]
) -> None:
    run = downloads.claim()
    downloads.put(run.job_id, validator='"old"')
    run.validator = '"old"'
    downloads.leave_part(run.job_id, left)
    downloads.work(run)
    assert downloads.network.asked() == asked
    assert [each.validator for each in downloads.network.requests if not each.start] in ([None], ['"old"'])
    assert downloads.archive(run.game_data_id) == CONTENT


def test_a_source_that_is_wrong_from_its_beginning_gets_no_third_chance(downloads: Downloads) -> None:
    run = downloads.claim()
    downloads.leave_part(run.job_id, WRONG[:HALF])
    downloads.network.answers["first"] = [gives(WRONG), gives(WRONG)]
    downloads.work(run)
    assert downloads.network.asked() == [("first", HALF), ("first", 0), ("second", 0)]
    assert downloads.archive(run.game_data_id) == CONTENT


def test_the_second_chance_is_asked_for_without_the_old_validator(downloads: Downloads) -> None:
    run = downloads.claim()
    downloads.leases.remember_validator(run, '"old"')
    downloads.leave_part(run.job_id, WRONG[:HALF])
    seen: list[str | None] = []

    def look_and_give(request: Request) -> None:
        seen.append(downloads.job(run.job_id).validator)
        gives(CONTENT)(request)

    downloads.network.answers["first"] = [gives(WRONG), look_and_give]
    downloads.work(downloads.take_over(run))
    assert [each.validator for each in downloads.network.requests] == ['"old"', None]
    assert seen == [None]


def test_an_archive_that_is_published_already_is_verified_and_completed(any_downloads: Downloads) -> None:
    first = any_downloads.claim()
    (any_downloads.root / f"{first.game_data_id}.zip").write_bytes(CONTENT)
    any_downloads.work(any_downloads.take_over(first))
    assert any_downloads.network.requests == []
    assert any_downloads.state(first.job_id) is DownloadState.COMPLETED
    assert any_downloads.files() == {f"{first.game_data_id}.zip"}


@pytest.mark.parametrize("stale", [WRONG, CONTENT[:-1], LONG, b""], ids=["wrong", "short", "long", "empty"])
def test_a_wrong_archive_of_that_name_is_replaced(downloads: Downloads, stale: bytes) -> None:
    run = downloads.claim()
    (downloads.root / f"{run.game_data_id}.zip").write_bytes(stale)
    downloads.work(run)
    assert len(downloads.network.requests) == 1
    assert (downloads.state(run.job_id), downloads.archive(run.game_data_id)) == (DownloadState.COMPLETED, CONTENT)


def test_no_archive_is_not_an_archive_of_no_bytes(downloads: Downloads) -> None:
    """A catalogue may well give the digest of nothing: many a broken tool does."""
    game = downloads.add_game()
    with downloads.database.write() as session:
        session.get_one(GameData, game[1]).sha256 = hashlib.sha256().hexdigest()
    run = downloads.claim(downloads.start(game))
    downloads.work(run)
    assert (downloads.state(run.job_id), downloads.archive(game[1])) == (DownloadState.ERROR, None)


def test_an_archive_that_cannot_be_read_does_not_keep_the_job_for_ever(downloads: Downloads) -> None:
    """Every run would give up, and the next one begin: the slot of the job would never be free."""
    run = downloads.claim()
    (downloads.root / f"{run.game_data_id}.zip").mkdir()
    downloads.work(run)
    assert downloads.state(run.job_id) is DownloadState.ERROR
