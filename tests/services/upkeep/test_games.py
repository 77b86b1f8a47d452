"""What cleanup removes of the folder of archives, and what it leaves."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import func, select

from tests.services.games.bench import CONTENT, Downloads, any_downloads, downloads
from transfer_service.errors import TransferError
from transfer_service.models.games import ArchiveMember, DownloadState
from transfer_service.services.games.archives import ArchiveRemoval
from transfer_service.services.upkeep.games import GameCleanup
from transfer_service.services.upkeep.orphans import ORPHAN_AGE, Orphans, Tally
from transfer_service.services.upkeep.shelves import ARCHIVES, ArchiveShelf
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import ARCHIVES as ROOM

__all__ = ["any_downloads", "downloads"]

OLD = ORPHAN_AGE + timedelta(seconds=1)
ENDINGS = [DownloadState.COMPLETED, DownloadState.ERROR, DownloadState.CANCELLED]


def put(downloads: Downloads, name: str, *, age: timedelta = OLD) -> Path:
    """A file that was changed last so long ago."""
    path = downloads.root / name
    path.write_bytes(CONTENT)
    at = (downloads.clock() - age).timestamp()
    os.utime(path, (at, at))
    return path


def clean(downloads: Downloads, *, dry_run: bool = False) -> list[int]:
    """The bytes of each part, and then those of all archives."""
    cleanup = GameCleanup(downloads.core())
    archives = set_aside(downloads, downloads.store, dry_run=dry_run)
    return [*cleanup.remove_leftovers(dry_run=dry_run), *([archives.bytes] if archives.count else [])]


def set_aside(downloads: Downloads, store: DiskStore, *, dry_run: bool = False) -> Tally:
    removal = ArchiveRemoval(downloads.core(games=store))
    shelf = ArchiveShelf(database=downloads.database, store=store, removal=removal)
    kept_for = timedelta(days=7)
    orphans = Orphans(shelves={ARCHIVES: shelf}, now=downloads.clock, kept_for=kept_for)
    return orphans.sweep(dry_run=dry_run, even_many=True).set_aside[ARCHIVES]


@pytest.mark.parametrize("name", ["77.part", "77.ready", "77.zip", "0.zip", "9223372036854775807.zip"])
def test_files_of_unknown_jobs_and_data_go(any_downloads: Downloads, name: str) -> None:
    freed = put(any_downloads, name).stat().st_blocks * 512
    assert clean(any_downloads) == [freed]
    assert any_downloads.files() == set()


@pytest.mark.parametrize("name", ["77.part", "77.zip"])
@pytest.mark.parametrize("age", [timedelta(0), ORPHAN_AGE, -OLD], ids=["new", "just-not-old", "from-the-future"])
def test_young_ones_stay(downloads: Downloads, name: str, age: timedelta) -> None:
    put(downloads, name, age=age)
    assert clean(downloads) == []
    assert downloads.files() == {name}


@pytest.mark.parametrize("state", [DownloadState.PENDING, DownloadState.DOWNLOADING, DownloadState.VERIFYING])
def test_what_an_active_job_needs_stays(any_downloads: Downloads, state: DownloadState) -> None:
    run = any_downloads.claim()
    any_downloads.bring_to(run, state)
    names = {f"{run.job_id}.part", f"{run.game_data_id}.zip"}
    for name in names:
        put(any_downloads, name)
    assert clean(any_downloads) == []
    assert any_downloads.files() == names


@pytest.mark.parametrize("ending", ENDINGS)
def test_of_a_job_that_has_ended_only_a_completed_archive_stays(
    any_downloads: Downloads, ending: DownloadState
) -> None:
    run = any_downloads.claim()
    any_downloads.bring_to(run, ending)
    put(any_downloads, f"{run.job_id}.part")
    put(any_downloads, f"{run.game_data_id}.zip")
    clean(any_downloads)
    assert any_downloads.files() == ({f"{run.game_data_id}.zip"} if ending is DownloadState.COMPLETED else set())


def test_an_archive_stays_after_later_jobs_of_its_data_have_failed(downloads: Downloads) -> None:
    game = downloads.add_game()
    downloads.work(downloads.claim(downloads.start(game)))
    (downloads.root / f"{game[1]}.zip").unlink()
    downloads.leases.fail(downloads.claim(downloads.start(game)), "gone")
    put(downloads, f"{game[1]}.zip")
    assert clean(downloads) == []


def test_a_part_is_told_from_an_archive_of_the_same_number(downloads: Downloads) -> None:
    active = downloads.add_games(2)[1]
    job_id = downloads.start(active)
    assert job_id != active[1]
    for number in (job_id, active[1]):
        put(downloads, f"{number}.part")
        put(downloads, f"{number}.zip")
    clean(downloads)
    assert downloads.files() == {f"{job_id}.part", f"{active[1]}.zip"}


def test_a_dry_run_tells_and_leaves_everything(any_downloads: Downloads) -> None:
    names = {"77.part", "78.zip"}
    freed = [put(any_downloads, name).stat().st_blocks * 512 for name in names]
    assert sorted(clean(any_downloads, dry_run=True)) == sorted(freed)
    assert any_downloads.files() == names


@pytest.mark.parametrize(("dry_run", "left"), [(False, 0), (True, 1)], ids=["real", "dry"])
def test_the_members_of_a_removed_archive_are_forgotten(downloads: Downloads, dry_run: bool, left: int) -> None:
    _, game_data_id = downloads.add_game()
    facts = {"header_offset": 0, "compressed_bytes": 1, "length": 1, "crc32": 0, "method": 0}
    with downloads.database.write() as session:
        session.add(ArchiveMember(game_data_id=game_data_id, name_digest=bytes(16), **facts))
    put(downloads, f"{game_data_id}.zip")
    clean(downloads, dry_run=dry_run)
    with downloads.database.read() as session:
        assert session.scalars(select(func.count()).select_from(ArchiveMember)).one() == left


@pytest.mark.parametrize("name", ["notes.txt", "77.zip.bak", "x77.zip", "77.ZIP", "-7.zip", "77.zip\n", "٣.zip"])
def test_files_of_others_are_left_alone(downloads: Downloads, name: str) -> None:
    put(downloads, name)
    assert clean(downloads) == []
    assert downloads.files() == {name}


@pytest.mark.parametrize("name", ["9223372036854775808.zip", "9999999999999999999.part", "007.zip"])
def test_a_number_that_no_job_and_no_data_can_have_does_no_harm(any_downloads: Downloads, name: str) -> None:
    """What is told as removed is removed, and what comes after it too."""
    put(any_downloads, name)
    put(any_downloads, "77.part")
    for _ in range(2):
        told = clean(any_downloads)
    assert (told, any_downloads.files() - {name}) == ([], set())


def test_an_archive_is_not_removed_under_the_hands_of_a_job_that_begins(
    downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new job may find an old archive to be right, and complete with it, at the moment it is cleaned away."""
    game = downloads.add_game()
    put(downloads, f"{game[1]}.zip")

    def complete() -> None:
        try:
            downloads.work(downloads.claim(downloads.start(game)))
        except TransferError:
            return

    other = Thread(target=complete)
    store = DiskStore(downloads.root, ROOM)
    put_aside = store.quarantine.put

    def put_late(key: str, *, now: datetime) -> bool:
        """Only when somebody else has had the time to do everything."""
        other.start()
        other.join(1)
        return put_aside(key, now=now)

    monkeypatch.setattr(store.quarantine, "put", put_late)
    set_aside(downloads, store)
    other.join()
    assert (downloads.actions(), downloads.archive(game[1])) == (["started", "completed"], CONTENT)
