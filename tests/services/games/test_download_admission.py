"""Starting a download: what is refused, in which order, and limits that hold whatever several processes do at once."""

import multiprocessing
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from tests.services.games.bench import (
    CONTENT,
    MAX_ACTIVE,
    SHA256,
    SOURCES,
    Downloads,
    any_downloads,
    core_of,
    downloads,
)
from transfer_service.db.database import Database
from transfer_service.errors import AlreadyDownloaded, DownloadInProgress, NotFound, TooManyDownloads, TransferError
from transfer_service.models.games import DownloadState, Game
from transfer_service.services.events.actors import Actor
from transfer_service.services.games.downloads import RemoteDownloadService
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import ARCHIVES

__all__ = ["any_downloads", "downloads"]

STARTERS = 8
ROUNDS = 6
GameKey = tuple[uuid.UUID, int]


def test_a_download_starts_as_a_pending_job_of_what_the_catalogue_says(any_downloads: Downloads) -> None:
    game_id, game_data_id = any_downloads.add_game()
    job_id = any_downloads.start((game_id, game_data_id))
    job = any_downloads.job(job_id)
    assert (job.state, job.slot, job.active_game_id, job.lease_owner) == (DownloadState.PENDING, 0, game_id, None)
    assert (job.sha256, job.total_bytes, job.username, job.ip_address) == (SHA256, len(CONTENT), "alice", "192.0.2.7")
    assert (job.started_at, job.finished_at) == (any_downloads.clock(), None)
    assert any_downloads.leases.find_waiting() == [job_id]


def test_a_start_is_logged_once(any_downloads: Downloads) -> None:
    game_id, game_data_id = any_downloads.add_game()
    any_downloads.start((game_id, game_data_id))
    (activity,) = any_downloads.activities()
    assert (activity.action, activity.username, activity.ip_address) == ("download.started", "alice", "192.0.2.7")
    assert (activity.resource, activity.resource_id) == ("games", str(game_id))
    assert activity.details == {
        "gameDataId": game_data_id, "gameTitle": "Game 1", "sha256": SHA256, "sources": list(SOURCES)
    }  # fmt: skip


def test_a_start_that_is_refused_leaves_nothing(any_downloads: Downloads) -> None:
    with pytest.raises(NotFound):
        any_downloads.start((uuid.uuid4(), 1))
    assert (any_downloads.service.list_downloads(), any_downloads.activities()) == ([], [])
    assert any_downloads.leases.find_waiting() == []


class TestOrderOfRefusals:
    """404, then 409, then 503: each of these starts has every reason to be refused that comes later."""

    @pytest.fixture
    def full(self, any_downloads: Downloads) -> Downloads:
        """As many active jobs as are allowed: of the games with data 1, 2 and 3."""
        for _ in range(MAX_ACTIVE):
            any_downloads.start()
        return any_downloads

    def test_an_unknown_game(self, full: Downloads) -> None:
        with pytest.raises(NotFound, match="Game not found"):
            full.start((uuid.uuid4(), 1))

    @pytest.mark.parametrize("game_data_id", [999, 1, -1, 2**63 - 1], ids=["none", "other-game", "negative", "high"])
    def test_data_that_is_not_of_the_game(self, full: Downloads, game_data_id: int) -> None:
        game_id = full.service.list_downloads()[0].game_id  # of the latest: of data 3
        with pytest.raises(NotFound, match="Game data not found"):
            full.start((game_id, game_data_id))

    def test_a_game_in_progress(self, full: Downloads) -> None:
        active = full.service.list_downloads()[0]
        (full.root / f"{active.game_data_id}.zip").touch()
        with pytest.raises(DownloadInProgress):
            full.start((active.game_id, active.game_data_id))

    def test_other_data_of_a_game_in_progress(self, full: Downloads) -> None:
        active = full.service.list_downloads()[0]
        with pytest.raises(DownloadInProgress):
            full.start((active.game_id, full.add_data(active.game_id)))

    def test_what_is_downloaded(self, any_downloads: Downloads) -> None:
        game = any_downloads.add_game()
        any_downloads.work(any_downloads.claim(any_downloads.start(game)))
        for _ in range(MAX_ACTIVE):
            any_downloads.start()
        with pytest.raises(AlreadyDownloaded):
            any_downloads.start(game)

    def test_one_more_than_allowed(self, full: Downloads) -> None:
        with pytest.raises(TooManyDownloads) as refusal:
            full.start()
        assert refusal.value.retry_after_seconds > 0
        assert (full.slots(), full.actions()) == ([0, 1, 2], ["started"] * MAX_ACTIVE)


def test_what_is_downloaded_may_be_fetched_again_once_its_archive_was_removed(any_downloads: Downloads) -> None:
    game = any_downloads.add_game()
    any_downloads.work(any_downloads.claim(any_downloads.start(game)))
    (any_downloads.root / f"{game[1]}.zip").unlink()
    any_downloads.work(any_downloads.claim(any_downloads.start(game)))
    assert any_downloads.archive(game[1]) == CONTENT
    assert any_downloads.actions() == ["started", "completed"] * 2


def test_other_data_of_a_downloaded_game_may_be_fetched(downloads: Downloads) -> None:
    game = downloads.add_game()
    downloads.work(downloads.claim(downloads.start(game)))
    downloads.start((game[0], downloads.add_data(game[0])))
    assert downloads.slots() == [0]


def test_an_archive_that_no_job_has_completed_is_not_a_download(downloads: Downloads) -> None:
    game = downloads.add_game()
    (downloads.root / f"{game[1]}.zip").write_bytes(CONTENT)
    downloads.start(game)
    assert downloads.slots() == [0]


@pytest.mark.parametrize("ending", [DownloadState.COMPLETED, DownloadState.ERROR, DownloadState.CANCELLED])
def test_a_job_that_ends_frees_its_slot_and_its_game(any_downloads: Downloads, ending: DownloadState) -> None:
    games = any_downloads.add_games(MAX_ACTIVE)
    runs = [any_downloads.claim(any_downloads.start(game)) for game in games]
    any_downloads.bring_to(runs[1], ending)
    assert any_downloads.slots() == [0, 2]
    assert any_downloads.job(any_downloads.start(games[1])).slot == 1


def test_a_lowered_limit_lets_nobody_in_until_fewer_are_active(any_downloads: Downloads) -> None:
    wide, narrow = any_downloads.make_service(max_active=5), any_downloads.make_service(max_active=2)
    games = any_downloads.add_games(6)
    for game in games[:5]:
        wide.start(any_downloads.alice, *game)
    for game in games[:3]:
        with pytest.raises(TooManyDownloads):
            narrow.start(any_downloads.alice, *games[5])
        any_downloads.cancel(game[0])
    with pytest.raises(TooManyDownloads):
        narrow.start(any_downloads.alice, *games[5])
    any_downloads.cancel(games[3][0])
    narrow.start(any_downloads.alice, *games[5])
    assert any_downloads.slots() == [0, 4]


def test_a_raised_limit_lets_more_in(downloads: Downloads) -> None:
    games = downloads.add_games(MAX_ACTIVE + 1)
    for game in games[:MAX_ACTIVE]:
        downloads.start(game)
    downloads.make_service(max_active=MAX_ACTIVE + 1).start(downloads.alice, *games[-1])
    assert downloads.slots() == [0, 1, 2, 3]


def test_the_title_in_the_log_is_that_of_the_moment(downloads: Downloads) -> None:
    game = downloads.add_game()
    run = downloads.claim(downloads.start(game))
    with downloads.database.write() as session:
        session.get_one(Game, game[0]).title = "A better title"
    downloads.leases.fail(run, "no more")
    assert [each.details["gameTitle"] for each in downloads.activities()] == ["Game 1", "A better title"]


def outcome_of(service: RemoteDownloadService, starter: Actor, game: GameKey) -> str:
    try:
        service.start(starter, *game)
    except TransferError as refusal:
        return type(refusal).__name__
    return "started"


@pytest.mark.parametrize("is_same_game", [False, True], ids=["games", "one-game"])
def test_threads_never_start_more_than_allowed(any_downloads: Downloads, is_same_game: bool) -> None:
    """Each with its own connections, as if they were processes."""
    others = [Database(any_downloads.database.url) for _ in range(STARTERS)]
    barrier, alice = Barrier(STARTERS), any_downloads.alice

    def start(place: int, game: GameKey) -> str:
        service = any_downloads.make_service(database=others[place])
        barrier.wait()
        return outcome_of(service, alice, game)

    expected = {"started": 1, "DownloadInProgress": 7} if is_same_game else {"started": 3, "TooManyDownloads": 5}
    with ThreadPoolExecutor(STARTERS) as pool:
        for _ in range(ROUNDS):
            games = any_downloads.add_games(1) * STARTERS if is_same_game else any_downloads.add_games(STARTERS)
            assert Counter(pool.map(start, range(STARTERS), games)) == expected
            assert any_downloads.slots() == list(range(expected["started"]))
            for each in any_downloads.service.list_downloads()[: expected["started"]]:
                any_downloads.cancel(each.game_id)
    assert Counter(any_downloads.actions()) == dict.fromkeys(("started", "cancelled"), ROUNDS * expected["started"])
    for other in others:
        other.dispose()


def compete(url: str, root: Path, alice: Actor, games: Sequence[GameKey], barrier: Any, outcomes: Any) -> None:
    """One process that starts one game after the other, together with the others, and cancels what it has started."""
    database = Database(url)
    parts = {"games": DiskStore(root, ARCHIVES)}
    core = core_of(
        database, lambda: datetime.now(UTC), root.parent / "core", parts=parts, max_remote_downloads=MAX_ACTIVE
    )
    service = RemoteDownloadService(core)
    for game in games:
        barrier.wait(30)
        outcome = outcome_of(service, alice, game)
        outcomes.put(outcome)
        barrier.wait(30)
        if outcome == "started":
            service.cancel(alice, game[0], may_cancel_any=False)


@pytest.mark.parametrize("is_same_game", [False, True], ids=["games", "one-game"])
def test_processes_never_start_more_than_allowed(any_downloads: Downloads, is_same_game: bool) -> None:
    number = MAX_ACTIVE + 1
    rounds = [
        any_downloads.add_games(1) * number if is_same_game else any_downloads.add_games(number) for _ in "rounds"
    ]
    any_downloads.database.dispose()  # connections must not be shared with what is forked
    forking = multiprocessing.get_context("fork")
    barrier, outcomes = forking.Barrier(number), forking.SimpleQueue()
    processes = [
        forking.Process(
            target=compete,
            args=(any_downloads.database.url, any_downloads.root, any_downloads.alice, games, barrier, outcomes),
        )
        for games in zip(*rounds, strict=True)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    expected = {"started": 1, "DownloadInProgress": 3} if is_same_game else {"started": 3, "TooManyDownloads": 1}
    assert [process.exitcode for process in processes] == [0] * number
    counted = Counter(outcomes.get() for _ in range(number * len(rounds)))
    assert counted == {outcome: count * len(rounds) for outcome, count in expected.items()}
    assert (any_downloads.slots(), any_downloads.actions().count("cancelled")) == ([], counted["started"])
