"""Runs that lose their job while they look into the archive: what is in the index is never a zombie's."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests.games import make_zip
from tests.services.games.bench import Downloads, any_downloads, downloads, gives
from transfer_service.models.games import ArchiveMember, DownloadState, GameData
from transfer_service.services.games.archives import GameArchives
from transfer_service.services.games.leases import LeaseLost, Run
from transfer_service.services.games.member_rows import ROWS_A_TRANSACTION, Hold

__all__ = ["any_downloads", "downloads"]

MEMBERS = {f"{number}.txt": b"%d" % number for number in range(ROWS_A_TRANSACTION + 1)}
ZIP = make_zip(MEMBERS)


class Killed(BaseException):
    """`kill -9`, as far as a run can tell."""


def archives_of(downloads: Downloads, *, meanwhile: Callable[[], object] = lambda: None) -> GameArchives:
    """The real ones; `meanwhile` happens while the directory of an archive is read, the first time."""
    events = [meanwhile]

    def offload(work: Callable[[], Any], /) -> Any:
        result = work()
        while events:
            events.pop()()
        return result

    return GameArchives(downloads.core(offload=offload))


class DeadlyArchives:
    """Learns all members, and then its process is killed."""

    def __init__(self, downloads: Downloads) -> None:
        self._archives = archives_of(downloads)

    def index(self, game_data_id: int, *, hold: Hold) -> int | None:
        self._archives.index(game_data_id, hold=hold)
        raise Killed


def claim_zip(downloads: Downloads) -> Run:
    """A run whose archive is a zip."""
    game = downloads.add_game()
    with downloads.database.write() as session:
        values = {"sha256": hashlib.sha256(ZIP).hexdigest(), "size": len(ZIP)}
        session.execute(update(GameData).where(GameData.id == game[1]).values(values))
    downloads.network.answers["first"] = [gives(ZIP)]
    return downloads.claim(downloads.start(game))


def rows_of(downloads: Downloads, run: Run) -> int:
    """How many members of the archive are in the index."""
    with downloads.database.read() as session:
        return session.scalars(select(func.count()).where(ArchiveMember.game_data_id == run.game_data_id)).one()


def archive_path(downloads: Downloads, run: Run) -> Path:
    return downloads.root / f"{run.game_data_id}.zip"


def test_a_job_knows_how_many_members_its_archive_has(any_downloads: Downloads) -> None:
    run = claim_zip(any_downloads)
    any_downloads.work(run, archives=archives_of(any_downloads))
    job = any_downloads.job(run.job_id)
    assert (job.state, job.member_count) == (DownloadState.COMPLETED, len(MEMBERS))
    assert rows_of(any_downloads, run) == len(MEMBERS)


def test_a_zombie_that_reads_the_directory_leaves_the_rows_of_the_run_that_has_completed(
    any_downloads: Downloads,
) -> None:
    zombie = claim_zip(any_downloads)

    def finish() -> None:
        any_downloads.work(any_downloads.take_over(zombie), archives=archives_of(any_downloads))

    with pytest.raises(LeaseLost):
        any_downloads.make_fetching(archives=archives_of(any_downloads, meanwhile=finish)).work(zombie)
    any_downloads.fetching.tidy(zombie)
    assert (any_downloads.state(zombie.job_id), len(any_downloads.network.requests)) == (DownloadState.COMPLETED, 1)
    assert (any_downloads.archive(zombie.game_data_id), rows_of(any_downloads, zombie)) == (ZIP, len(MEMBERS))


def test_a_zombie_that_reads_the_directory_brings_no_rows_back(any_downloads: Downloads) -> None:
    zombie = claim_zip(any_downloads)

    def be_cancelled() -> None:
        cancelled = archives_of(any_downloads, meanwhile=lambda: any_downloads.cancel(zombie.game_id))
        run = any_downloads.take_over(zombie)
        with suppress(LeaseLost):
            any_downloads.make_fetching(archives=cancelled).work(run)
        any_downloads.fetching.tidy(run)

    with pytest.raises(LeaseLost):
        any_downloads.make_fetching(archives=archives_of(any_downloads, meanwhile=be_cancelled)).work(zombie)
    assert any_downloads.state(zombie.job_id) is DownloadState.CANCELLED
    assert (any_downloads.files(), rows_of(any_downloads, zombie)) == (set(), 0)


def test_a_job_that_is_cancelled_meanwhile_leaves_nothing(any_downloads: Downloads) -> None:
    killed = claim_zip(any_downloads)
    with pytest.raises(Killed):
        any_downloads.make_fetching(archives=DeadlyArchives(any_downloads)).work(killed)
    assert rows_of(any_downloads, killed) == len(MEMBERS)
    run = any_downloads.take_over(killed)
    cancelled = archives_of(any_downloads, meanwhile=lambda: any_downloads.cancel(run.game_id))
    with pytest.raises(LeaseLost):
        any_downloads.make_fetching(archives=cancelled).work(run)
    any_downloads.fetching.tidy(run)
    assert (any_downloads.state(run.job_id), any_downloads.actions()) == (
        DownloadState.CANCELLED,
        ["started", "cancelled"],
    )
    assert (any_downloads.files(), rows_of(any_downloads, run)) == (set(), 0)


def test_a_job_that_is_cancelled_meanwhile_leaves_what_an_earlier_one_has_completed(any_downloads: Downloads) -> None:
    first = claim_zip(any_downloads)
    any_downloads.work(first, archives=archives_of(any_downloads))
    path = archive_path(any_downloads, first)
    elsewhere = path.rename(path.with_suffix(".away"))
    second = any_downloads.claim(any_downloads.start((first.game_id, first.game_data_id)))
    elsewhere.rename(path)  # somebody puts it back
    cancelled = archives_of(any_downloads, meanwhile=lambda: any_downloads.cancel(second.game_id))
    with pytest.raises(LeaseLost):
        any_downloads.make_fetching(archives=cancelled).work(second)
    any_downloads.fetching.tidy(second)
    assert [any_downloads.state(each.job_id) for each in (first, second)] == [
        DownloadState.COMPLETED,
        DownloadState.CANCELLED,
    ]
    assert (any_downloads.files(), rows_of(any_downloads, first)) == ({path.name}, len(MEMBERS))
