"""The one feed that all progress streams of a process live on."""

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from structlog.testing import capture_logs

from tests.conftest import Clock, Device
from tests.live.server import wait_until
from tests.remote_jobs import Jobs
from tests.web.progress import PENDING, Looks, ask, data, fields, follow_all, hurrying_feed, told, wait_for
from transfer_service.app import stop_serving
from transfer_service.bootstrap import Services
from transfer_service.errors import StoreUnavailable
from transfer_service.models.games import DownloadState
from transfer_service.web.games.progress_feed import ProgressFeed
from transfer_service.wire.sse import HEARTBEAT


@pytest.fixture
def looks(services: Services) -> Looks:
    return Looks(services)


@pytest.fixture(autouse=True)
def feed(app: Flask, looks: Looks, clock: Clock) -> Iterator[ProgressFeed]:
    with hurrying_feed(app, looks, clock) as feed:
        yield feed


def test_there_is_one_look_at_a_time_for_all_readers(device: Device, jobs: Jobs, looks: Looks) -> None:
    games = [jobs.add_job()[0] for _ in range(3)]
    responses = follow_all(device, games * 5)
    before = len(looks.asked)
    wait_until(lambda: len(looks.asked) >= before + 3)
    for response in responses:
        response.close()
    assert looks.asked[before : before + 3] == [set(games)] * 3
    assert [each.name for each in threading.enumerate()].count("progress-feed") == 1


def test_sign_ins_are_checked_every_other_time_by_one_query(device: Device, jobs: Jobs, looks: Looks) -> None:
    responses = follow_all(device, [jobs.add_job()[0] for _ in range(3)])
    wait_until(lambda: len(looks.asked) >= 8)
    for response in responses:
        response.close()
    assert {len(each) for each in looks.checked} == {1}
    assert abs(len(looks.asked) // 2 - len(looks.checked)) <= 1


def test_nothing_runs_when_the_last_reader_has_gone(device: Device, jobs: Jobs, feed: ProgressFeed) -> None:
    game_id, _ = jobs.add_job()
    first, second = follow_all(device, [game_id] * 2)
    first.close()
    assert feed.is_running
    second.close()
    wait_until(lambda: not feed.is_running)
    (third,) = follow_all(device, [game_id])
    assert feed.is_running
    third.close()


def test_a_reader_that_is_slow_gets_the_newest_event_next(device: Device, jobs: Jobs, looks: Looks) -> None:
    game_id, job_id = jobs.add_job()
    with ask(device, game_id) as response:
        events = told(response)
        assert [data(next(events)) for _ in range(2)] == [PENDING] * 2
        for received in range(1, 6):
            jobs.change(job_id, DownloadState.DOWNLOADING, bytes_downloaded=received)
            before = len(looks.asked)
            wait_until(lambda before=before: len(looks.asked) >= before + 2)  # type: ignore[misc]
        assert data(next(events))["bytesDownloaded"] >= 4


def test_a_slow_reader_still_gets_the_end(device: Device, jobs: Jobs, feed: ProgressFeed) -> None:
    game_id, job_id = jobs.add_job()
    (response,) = follow_all(device, [game_id])
    jobs.change(job_id, DownloadState.COMPLETED)
    wait_until(lambda: not feed.is_running)
    assert fields(list(told(response))[-1])["id"] == f"{job_id}-completed"


def test_streams_live_on_comments_while_the_database_does_not_answer(device: Device, jobs: Jobs, looks: Looks) -> None:
    game_id, job_id = jobs.add_job()
    with ask(device, game_id) as response:
        events = response.iter_encoded()
        next(events)
        looks.failure = StoreUnavailable()
        assert HEARTBEAT in [next(events) for _ in range(3)]
        looks.failure = None
        jobs.change(job_id, DownloadState.COMPLETED)
        assert fields(list(events)[-1])["id"] == f"{job_id}-completed"


def test_streams_live_on_comments_while_a_look_takes_long(device: Device, jobs: Jobs, looks: Looks) -> None:
    game_id, _ = jobs.add_job()
    with ask(device, game_id) as response:
        events = response.iter_encoded()
        next(events)
        with looks.gate:
            assert HEARTBEAT in [next(events) for _ in range(3)]
        assert data(wait_for(events, fields(next(events))["id"])) == PENDING


def test_a_fault_ends_the_streams_and_the_next_one_works(device: Device, jobs: Jobs, looks: Looks) -> None:
    game_id, _ = jobs.add_job()
    (response,) = follow_all(device, [game_id])
    looks.failure = RuntimeError("a secret")
    with capture_logs() as log:
        list(response.iter_encoded())
    looks.failure = None
    assert [(line["event"], line["error"], "secret" in str(line)) for line in log] == [
        ("failure", "RuntimeError", False)
    ]
    (response,) = follow_all(device, [game_id])
    response.close()


def test_a_stop_ends_every_stream_at_once(device: Device, jobs: Jobs, looks: Looks, feed: ProgressFeed) -> None:
    game_id, _ = jobs.add_job()
    responses = follow_all(device, [game_id] * 3)
    with looks.gate:
        feed.stop()
        rest = [list(told(response)) for response in responses]
    assert sum(map(len, rest)) <= len(responses)
    wait_until(lambda: not feed.is_running)


def test_after_a_stop_a_stream_has_its_first_event_only(device: Device, jobs: Jobs, feed: ProgressFeed) -> None:
    game_id, _ = jobs.add_job()
    feed.stop()
    (event,) = told(ask(device, game_id))
    assert data(event) == PENDING
    assert not feed.is_running


def test_the_app_stops_its_feed(app: Flask, device: Device, jobs: Jobs) -> None:
    (response,) = follow_all(device, [jobs.add_job()[0]])
    stop_serving(app)
    assert len(list(told(response))) <= 1
