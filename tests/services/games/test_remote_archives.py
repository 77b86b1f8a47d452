"""Downloads whose archives are in an object store: what a stopped run leaves, and removals at the same moment."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import pytest

from tests.services.games.bench import CONTENT, Downloads, Request, any_downloads
from transfer_service.errors import BlobMissing, TransferError
from transfer_service.models.games import DownloadState
from transfer_service.services.games.fetching import Fetching
from transfer_service.services.upkeep.shelves import ArchiveShelf
from transfer_service.storage.s3.store import build_rooms
from transfer_service.wire.store_addresses import parse_store_address

__all__ = ["any_downloads"]

HALF = len(CONTENT) // 2


class Stopped(BaseException):
    """What is thrown into a greenlet that is killed."""


class Far:
    """The bench with an object store in place of its disk."""

    def __init__(self, downloads: Downloads, url: str) -> None:
        self.downloads = downloads
        self.store = build_rooms(parse_store_address(url), downloads.database).archives
        self.service = downloads.make_service(games=self.store)

    def fetching(self) -> Fetching:
        """A worker's."""
        return self.downloads.make_fetching(store=self.store)  # type: ignore[arg-type] # it is a BlobStore too

    def content(self, key: str) -> bytes | None:
        """What is stored there."""
        try:
            with closing(self.store.open_reader(key)) as reader:
                return reader.read(0, reader.size)
        except BlobMissing:
            return None

    def expected(self) -> list[str]:
        """The archives that records want to be there."""
        removal: Any = None
        shelf = ArchiveShelf(database=self.downloads.database, store=self.store, removal=removal)
        return [key for batch in shelf.expected() for key in batch]


@pytest.fixture
def far(any_downloads: Downloads, object_store_url: str) -> Far:
    return Far(any_downloads, object_store_url)


def stops(request: Request) -> None:
    """The process is told to end when half of the bytes are here."""
    request.remember_validator('"v1"')
    request.sink.append([CONTENT[:HALF]])
    raise Stopped


def test_the_next_run_goes_on_where_a_stopped_one_was(far: Far) -> None:
    downloads = far.downloads
    downloads.network.answers["first"] = [stops]
    run = downloads.claim()
    with pytest.raises(Stopped):
        far.fetching().work(run)
    downloads.leases.release(run)
    next_run = downloads.claim(run.job_id)
    assert far.fetching().work(next_run) is DownloadState.COMPLETED
    assert downloads.network.asked() == [("first", 0), ("first", HALF)]
    assert far.content(f"{run.game_data_id}.zip") == CONTENT


def test_a_stopped_run_that_has_lost_its_job_leaves_nothing(far: Far) -> None:
    downloads = far.downloads

    def is_cancelled(request: Request) -> None:
        request.sink.append([CONTENT[:HALF]])
        downloads.cancel(run.game_id)
        raise Stopped

    downloads.network.answers["first"] = [is_cancelled]
    run, fetching = downloads.claim(), far.fetching()
    with pytest.raises(Stopped):
        fetching.work(run)
    fetching.tidy(run)
    assert far.content(f"{run.job_id}.part") is None


def test_removals_and_downloads_at_once_agree_in_the_end(far: Far) -> None:
    downloads, game, dice = far.downloads, far.downloads.add_game(), random.Random(16)

    def fetch() -> None:
        with suppress(TransferError):
            run = downloads.leases.claim(far.service.start(downloads.alice, *game))
            if run is not None:
                downloads.work_or_lose(run, fetching=far.fetching())

    def remove() -> None:
        with suppress(TransferError):
            far.service.remove_archive(*game)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _turn: dice.choice((fetch, remove))(), range(24)))
    fetch()
    assert far.content(f"{game[1]}.zip") == CONTENT
    assert far.expected() == [f"{game[1]}.zip"]
    far.service.remove_archive(*game)
    assert (far.content(f"{game[1]}.zip"), far.expected()) == (None, [])
