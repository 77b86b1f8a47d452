"""Removing an archive that was downloaded: it is gone at once, for good, and can be downloaded again."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.services.games.bench import CONTENT, SOURCES, Downloads, any_downloads, downloads
from transfer_service.errors import AlreadyDownloaded, DownloadInProgress, NotFound, StoreUnavailable, TransferError
from transfer_service.models.games import DownloadState
from transfer_service.services.games.leases import Run
from transfer_service.services.upkeep.shelves import ArchiveShelf
from transfer_service.storage.blobs import Key
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.disk_reader import DiskReader
from transfer_service.storage.rooms import ARCHIVES

__all__ = ["any_downloads", "downloads"]


def complete(downloads: Downloads) -> Run:
    """A download that has been done."""
    run = downloads.claim()
    downloads.work(run)
    assert downloads.archive(run.game_data_id) == CONTENT
    return run


def expected(downloads: Downloads) -> list[str]:
    """The archives that records want to be there."""
    shelf = ArchiveShelf(database=downloads.database, store=downloads.store, removal=None)  # type: ignore[arg-type]
    return [key for batch in shelf.expected() for key in batch]


class Hooked(DiskStore):
    """Something happens between the commit that lets go of an archive and the removal of its bytes."""

    def __init__(self, root: Path, meanwhile: Callable[[], object]) -> None:
        super().__init__(root, ARCHIVES)
        self._meanwhile = meanwhile

    def open_reader(self, key: Key, *, is_checked: bool = False) -> DiskReader:
        """Removal begins by this."""
        self._meanwhile()
        return super().open_reader(key, is_checked=is_checked)


def test_a_removed_archive_is_gone_and_can_be_downloaded_again(any_downloads: Downloads) -> None:
    run = complete(any_downloads)
    game = (run.game_id, run.game_data_id)
    with pytest.raises(AlreadyDownloaded):
        any_downloads.start(game)
    any_downloads.service.remove_archive(*game)
    assert (any_downloads.files(), expected(any_downloads)) == (set(), [])
    any_downloads.work(any_downloads.claim(any_downloads.start(game)))
    assert any_downloads.archive(run.game_data_id) == CONTENT
    assert any_downloads.actions() == ["started", "completed", "archive.deleted", "started", "completed"]
    assert expected(any_downloads) == [f"{run.game_data_id}.zip"]


def test_what_is_not_there_cannot_be_removed(any_downloads: Downloads) -> None:
    run = complete(any_downloads)
    other_game, other_data = any_downloads.add_game()
    for game_id, data_id, detail in (
        (other_game, other_data, "This game data was not downloaded"),
        (other_game, run.game_data_id, "Game data not found"),
        (run.game_id, other_data, "Game data not found"),
        (any_downloads.alice.account_id, run.game_data_id, "Game not found"),
    ):
        assert game_id is not None
        with pytest.raises(NotFound, match=detail):
            any_downloads.service.remove_archive(game_id, data_id)
    assert any_downloads.archive(run.game_data_id) == CONTENT
    any_downloads.service.remove_archive(run.game_id, run.game_data_id)
    with pytest.raises(NotFound, match="was not downloaded"):
        any_downloads.service.remove_archive(run.game_id, run.game_data_id)


def test_an_archive_that_is_fetched_anew_stays_and_one_beside_it_goes(any_downloads: Downloads) -> None:
    run = complete(any_downloads)
    beside = any_downloads.add_data(run.game_id)
    active = any_downloads.claim(any_downloads.start((run.game_id, beside)))
    with pytest.raises(DownloadInProgress):
        any_downloads.service.remove_archive(run.game_id, beside)
    any_downloads.service.remove_archive(run.game_id, run.game_data_id)
    assert any_downloads.archive(run.game_data_id) is None
    any_downloads.work(active)
    assert any_downloads.archive(beside) == CONTENT


def test_what_an_operator_removed_by_hand_is_not_there(downloads: Downloads) -> None:
    run = complete(downloads)
    (downloads.root / f"{run.game_data_id}.zip").unlink()
    with pytest.raises(NotFound):
        downloads.service.remove_archive(run.game_id, run.game_data_id)


def test_a_download_that_begins_meanwhile_keeps_the_bytes(any_downloads: Downloads) -> None:
    run = complete(any_downloads)
    game = (run.game_id, run.game_data_id)
    begun: list[int] = []

    def begin() -> None:
        if not begun:
            begun.append(any_downloads.start(game))

    any_downloads.make_service(games=Hooked(any_downloads.root, begin)).remove_archive(*game)
    asked = len(any_downloads.network.requests)
    any_downloads.work(any_downloads.claim(begun[0]))
    assert any_downloads.state(begun[0]) is DownloadState.COMPLETED
    assert any_downloads.archive(run.game_data_id) == CONTENT
    assert len(any_downloads.network.requests) == asked  # they were verified again, not fetched


def test_who_is_killed_on_the_way_leaves_what_can_be_removed_again(any_downloads: Downloads) -> None:
    run = complete(any_downloads)

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        any_downloads.make_service(games=Hooked(any_downloads.root, die)).remove_archive(run.game_id, run.game_data_id)
    assert (any_downloads.files(), expected(any_downloads)) == ({f"{run.game_data_id}.zip"}, [])
    any_downloads.service.remove_archive(run.game_id, run.game_data_id)
    assert any_downloads.files() == set()


def test_while_the_store_is_away_nothing_is_removed(downloads: Downloads) -> None:
    run = complete(downloads)

    class Away(DiskStore):
        def size(self, key: Key) -> int:
            raise StoreUnavailable(str(key))

    with pytest.raises(StoreUnavailable):
        downloads.make_service(games=Away(downloads.root, ARCHIVES)).remove_archive(run.game_id, run.game_data_id)
    with pytest.raises(AlreadyDownloaded):
        downloads.start((run.game_id, run.game_data_id))


def test_removals_and_downloads_at_once_agree_in_the_end(any_downloads: Downloads) -> None:
    """Whatever the order: what records call downloaded is there, byte by byte."""
    game = any_downloads.add_game()
    dice = random.Random(16)

    def fetch(_: int) -> None:
        with suppress(TransferError):
            job_id = any_downloads.start(game)
            run = any_downloads.leases.claim(job_id)
            if run is not None:
                any_downloads.work_or_lose(run)

    def remove(_: int) -> None:
        with suppress(TransferError):
            any_downloads.service.remove_archive(*game)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda turn: dice.choice((fetch, remove, remove))(turn), range(60)))
    fetch(0)
    assert any_downloads.archive(game[1]) == CONTENT
    assert expected(any_downloads) == [f"{game[1]}.zip"]
    any_downloads.service.remove_archive(*game)
    assert any_downloads.files() == set()
    assert {source for source, _ in any_downloads.network.asked()} <= set(SOURCES)
