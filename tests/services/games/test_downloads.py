"""Following and cancelling downloads, and jobs on which nobody works any more."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.services.games.bench import CONTENT, SHA256, SOURCES, Downloads, any_downloads, downloads
from transfer_service.db.database import Database
from transfer_service.errors import MissingPermission, NotFound, StorageFull, StoreUnavailable, TransferError
from transfer_service.models.games import DownloadState
from transfer_service.services.games.downloads import ABANDONED_AFTER, LIST_LIMIT, WORKER_GONE
from transfer_service.services.games.job_rows import jobs

__all__ = ["any_downloads", "downloads"]

ABANDONED = ABANDONED_AFTER.total_seconds() + 1


class BrokenDatabase(Database):
    """Can be read, and not be written."""

    error: TransferError = StoreUnavailable()

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Any]:  # noqa: ARG002 - as the real one
        raise self.error
        yield


class FullDatabase(Database):
    """Takes every change, and has no room for it in the end."""

    commits = 0

    @contextmanager
    def write_rows(self, *, durable: bool = False, joins: bool = True) -> Iterator[Connection]:
        with super().write_rows(durable=durable, joins=joins) as rows:
            yield rows
            self.commits += 1
            raise StorageFull


class TestCancelling:
    """`DELETE /api/downloads/{gameId}/download`, as the rules see it."""

    @pytest.mark.parametrize("state", [DownloadState.PENDING, DownloadState.DOWNLOADING, DownloadState.VERIFYING])
    def test_its_starter_cancels_an_active_job(self, any_downloads: Downloads, state: DownloadState) -> None:
        run = any_downloads.claim()
        any_downloads.bring_to(run, state)
        any_downloads.clock.advance(seconds=5)
        any_downloads.cancel(run.game_id)
        job = any_downloads.job(run.job_id)
        assert (job.state, job.finished_at, job.error) == (DownloadState.CANCELLED, any_downloads.clock(), None)
        assert (job.slot, job.active_game_id, job.lease_owner, job.speed) == (None, None, None, 0)

    def test_who_has_the_permission_cancels_what_another_has_started(self, any_downloads: Downloads) -> None:
        job = any_downloads.job(any_downloads.start(name="alice"))
        any_downloads.service.cancel(any_downloads.starter("bob"), job.game_id, may_cancel_any=True)
        activity = any_downloads.activities()[-1]
        assert (activity.action, activity.username) == ("download.cancelled", "bob")
        assert activity.details == {
            "gameDataId": job.game_data_id, "gameTitle": "Game 1", "sha256": SHA256, "sources": list(SOURCES)
        }  # fmt: skip

    def test_nobody_else_cancels_it(self, any_downloads: Downloads) -> None:
        job = any_downloads.job(any_downloads.start(name="alice"))
        with pytest.raises(MissingPermission):
            any_downloads.service.cancel(any_downloads.starter("bob"), job.game_id, may_cancel_any=False)
        assert (any_downloads.state(job.id), any_downloads.actions()) == (DownloadState.PENDING, ["started"])

    def test_who_started_an_earlier_job_does_not_cancel_that_of_another(self, downloads: Downloads) -> None:
        game = downloads.add_game()
        downloads.start(game, name="bob")
        downloads.service.cancel(downloads.starter("bob"), game[0], may_cancel_any=False)
        job_id = downloads.start(game, name="alice")
        with pytest.raises(MissingPermission):
            downloads.service.cancel(downloads.starter("bob"), game[0], may_cancel_any=False)
        assert downloads.state(job_id) is DownloadState.PENDING

    @pytest.mark.parametrize("ending", [DownloadState.COMPLETED, DownloadState.ERROR, DownloadState.CANCELLED])
    def test_what_has_ended_is_not_cancelled(self, any_downloads: Downloads, ending: DownloadState) -> None:
        run = any_downloads.claim()
        any_downloads.bring_to(run, ending)
        logged = any_downloads.actions()
        with pytest.raises(NotFound):
            any_downloads.cancel(run.game_id)
        assert (any_downloads.state(run.job_id), any_downloads.actions()) == (ending, logged)

    @pytest.mark.parametrize("game_id", [None, uuid.uuid4()], ids=["no-id", "unknown"])
    @pytest.mark.parametrize(("may_cancel_any", "error"), [(True, NotFound), (False, MissingPermission)])
    def test_a_game_without_downloads(
        self, downloads: Downloads, game_id: uuid.UUID | None, may_cancel_any: bool, error: type[TransferError]
    ) -> None:
        with pytest.raises(error):
            downloads.service.cancel(downloads.alice, game_id, may_cancel_any=may_cancel_any)
        assert downloads.actions() == []


class TestProgress:
    """What clients see of a job."""

    @pytest.mark.parametrize(
        ("done", "percent"),
        [(0, 0), (1, 0), (270, 1), (13_500, 50), (13_499, 49), (26_999, 99), (27_000, 99), (30_000, 99)],
    )
    def test_percent_of_an_active_job(self, downloads: Downloads, done: int, percent: int) -> None:
        run = downloads.claim()
        downloads.put(run.job_id, bytes_downloaded=done)
        facts = downloads.facts(run.game_id)
        assert (facts.progress, type(facts.progress), facts.total_bytes) == (percent, int, 27_000)

    def test_only_what_is_completed_has_all_its_percent(self, any_downloads: Downloads) -> None:
        run = any_downloads.claim()
        any_downloads.work(run)
        facts = any_downloads.facts(run.game_id)
        assert (facts.state, facts.progress, facts.speed) == (DownloadState.COMPLETED, 100, 0)
        assert facts.bytes_downloaded == facts.total_bytes == len(CONTENT)

    def test_what_was_cancelled_at_its_end_has_not_all_its_percent(self, downloads: Downloads) -> None:
        run = downloads.claim()
        downloads.put(run.job_id, bytes_downloaded=len(CONTENT))
        downloads.cancel(run.game_id)
        assert downloads.facts(run.game_id).progress == 99

    def test_a_total_of_nothing_has_no_percent(self, downloads: Downloads) -> None:
        run = downloads.claim()
        downloads.put(run.job_id, total_bytes=0)
        assert downloads.facts(run.game_id).progress == 0

    def test_a_started_job(self, any_downloads: Downloads) -> None:
        game = any_downloads.add_game()
        job_id = any_downloads.start(game)
        facts = any_downloads.facts(game[0])
        assert (facts.job_id, facts.game_data_id, facts.title) == (job_id, game[1], "Game 1")
        assert (facts.state, facts.bytes_downloaded, facts.speed) == (DownloadState.PENDING, 0, 0)
        assert (facts.started_at, facts.finished_at, facts.error) == (any_downloads.clock(), None, None)

    def test_of_several_jobs_of_a_game_the_last_one_counts(self, any_downloads: Downloads) -> None:
        game = any_downloads.add_game()
        any_downloads.start(game)
        any_downloads.cancel(game[0])
        last = any_downloads.start(game)
        assert any_downloads.facts(game[0]).job_id == last

    def test_several_games_are_found_together_and_unknown_ones_are_left_out(self, any_downloads: Downloads) -> None:
        games = any_downloads.add_games(3)
        started = {game[0]: any_downloads.start(game) for game in games[:2]}
        found = any_downloads.service.find_progress([uuid.uuid4(), *(game[0] for game in games)])
        assert {game_id: facts.job_id for game_id, facts in found.items()} == started
        assert any_downloads.service.find_progress([]) == {}


class TestListing:
    """`GET /api/downloads`."""

    def test_active_jobs_come_first_and_then_the_latest(self, any_downloads: Downloads) -> None:
        games = any_downloads.add_games(5)
        ids = [any_downloads.start(game) for game in games[:3]]
        any_downloads.cancel(games[0][0])
        any_downloads.cancel(games[2][0])
        ids += [any_downloads.start(game) for game in games[3:]]
        any_downloads.cancel(games[3][0])
        order = [each.job_id for each in any_downloads.service.list_downloads()]
        assert order == [ids[place] for place in (4, 1, 3, 2, 0)]

    def test_active_jobs_are_listed_however_many_have_ended_since(self, downloads: Downloads) -> None:
        active = downloads.start()
        row = {"state": DownloadState.CANCELLED, "username": "alice", "sha256": SHA256, "total_bytes": 1}
        game = downloads.add_game()
        row |= {"game_id": game[0], "game_data_id": game[1], "started_at": downloads.clock(), "speed": 0}
        row |= {"updated_at": downloads.clock(), "bytes_downloaded": 0, "source_index": 0}
        with downloads.database.write() as session:
            session.execute(jobs.insert(), [row] * LIST_LIMIT)
        listed = downloads.service.list_downloads()
        assert (listed[0].job_id, len(listed)) == (active, LIST_LIMIT)


class TestAbandoned:
    """Jobs of which no worker has given a sign for long."""

    def test_it_fails_when_somebody_looks(self, any_downloads: Downloads) -> None:
        run = any_downloads.claim()
        any_downloads.clock.advance(seconds=ABANDONED)
        facts = any_downloads.facts(run.game_id)
        assert (facts.state, facts.error, facts.finished_at) == (
            DownloadState.ERROR,
            WORKER_GONE,
            any_downloads.clock(),
        )
        assert (any_downloads.actions(), any_downloads.slots()) == (["started", "failed"], [])
        assert any_downloads.activities()[-1].details["error"] == WORKER_GONE

    def test_it_fails_when_everything_is_listed(self, any_downloads: Downloads) -> None:
        ids = [any_downloads.start() for _ in range(3)]
        any_downloads.clock.advance(seconds=ABANDONED)
        assert {each.state for each in any_downloads.service.list_downloads()} == {DownloadState.ERROR}
        assert any_downloads.actions() == ["started"] * len(ids) + ["failed"] * len(ids)

    def test_it_gives_way_to_a_new_one(self, any_downloads: Downloads) -> None:
        games = any_downloads.add_games(3)
        for game in games:
            any_downloads.start(game)
        any_downloads.clock.advance(seconds=ABANDONED)
        any_downloads.start(games[0])
        assert (any_downloads.slots(), any_downloads.actions().count("failed")) == ([0], 3)

    def test_it_stays_for_as_long_as_a_worker_may_come(self, downloads: Downloads) -> None:
        run = downloads.claim()
        downloads.clock.advance(seconds=ABANDONED_AFTER.total_seconds())
        assert downloads.facts(run.game_id).state is DownloadState.PENDING

    def test_a_sign_of_its_worker_keeps_it(self, downloads: Downloads) -> None:
        run = downloads.claim()
        for _ in range(5):
            downloads.clock.advance(seconds=ABANDONED - 2)
            downloads.leases.beat(run)
        assert downloads.facts(run.game_id).state is DownloadState.PENDING

    def test_it_stays_where_the_service_has_not_been_there_to_see_a_sign(self, any_downloads: Downloads) -> None:
        run = any_downloads.claim()
        any_downloads.clock.advance(hours=9)
        restarted = any_downloads.make_service()
        any_downloads.clock.advance(seconds=ABANDONED - 2)
        assert restarted.find_progress([run.game_id])[run.game_id].state is DownloadState.PENDING
        any_downloads.clock.advance(seconds=2)
        assert restarted.find_progress([run.game_id])[run.game_id].state is DownloadState.ERROR

    @pytest.mark.parametrize("ending", [DownloadState.COMPLETED, DownloadState.ERROR, DownloadState.CANCELLED])
    def test_what_has_ended_is_not_abandoned(self, downloads: Downloads, ending: DownloadState) -> None:
        run = downloads.claim()
        downloads.bring_to(run, ending)
        downloads.clock.advance(days=9)
        assert (downloads.facts(run.game_id).state, len(downloads.activities())) == (ending, 2)

    def test_its_run_can_do_nothing_any_more(self, any_downloads: Downloads) -> None:
        run = any_downloads.claim()
        any_downloads.clock.advance(seconds=ABANDONED)
        any_downloads.service.list_downloads()
        done = [any_downloads.leases.beat(run), any_downloads.leases.complete(run, member_count=1)]
        assert (done, any_downloads.leases.fail(run, "late")) == ([False, False], False)
        assert (any_downloads.state(run.job_id), len(any_downloads.activities())) == (DownloadState.ERROR, 2)

    @pytest.mark.parametrize("error", [StoreUnavailable(), StorageFull()], ids=["away", "full"])
    def test_it_is_shown_as_it_is_where_the_database_cannot_be_written(
        self, downloads: Downloads, error: TransferError
    ) -> None:
        run = downloads.claim()
        downloads.clock.advance(seconds=ABANDONED)
        broken = BrokenDatabase(downloads.database.url)
        broken.error = error
        service = downloads.make_service(database=broken)
        downloads.clock.advance(seconds=ABANDONED)
        assert service.find_progress([run.game_id])[run.game_id].state is DownloadState.PENDING
        assert [each.state for each in service.list_downloads()] == [DownloadState.PENDING]
        broken.dispose()

    def test_it_is_shown_as_it_is_where_its_end_cannot_be_committed(self, downloads: Downloads) -> None:
        run = downloads.claim()
        full = FullDatabase(downloads.database.url)
        service = downloads.make_service(database=full)
        downloads.clock.advance(seconds=ABANDONED)
        shown = [*service.list_downloads(), *service.find_progress([run.game_id]).values()]
        full.dispose()
        assert [(each.job_id, each.state) for each in shown] == [(run.job_id, DownloadState.PENDING)] * 2
        assert (full.commits, downloads.state(run.job_id)) == (2, DownloadState.PENDING)
        assert (downloads.slots(), downloads.actions()) == ([0], ["started"])
