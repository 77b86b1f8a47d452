"""`GET /api/downloads/<id>/download/progress`: what a client gets, and when its stream ends."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.live.server import wait_until
from tests.remote_jobs import SIZE, Jobs
from tests.web.accounts.keys import new_key, showing
from tests.web.progress import PENDING, Looks, ask, data, fields, follow_all, hurrying_feed, told, wait_for
from transfer_service.bootstrap import Services
from transfer_service.models.games import DownloadState
from transfer_service.web.games.progress_feed import ProgressFeed
from transfer_service.wire.instants import format_second

LIVES = timedelta(seconds=3), timedelta(hours=1)
UNKNOWN = uuid.UUID(int=0)
FINAL = [DownloadState.COMPLETED, DownloadState.ERROR, DownloadState.CANCELLED]


@pytest.fixture
def looks(services: Services) -> Looks:
    return Looks(services)


@pytest.fixture(autouse=True)
def feed(app: Flask, looks: Looks, clock: Clock) -> Iterator[ProgressFeed]:
    with hurrying_feed(app, looks, clock) as feed:
        yield feed


def test_the_first_event_comes_at_once_and_says_when_to_connect_again(device: Device, jobs: Jobs) -> None:
    game_id, job_id = jobs.add_job()
    with ask(device, game_id) as response:
        first = next(told(response))
    assert data(first) == PENDING
    assert (fields(first)["retry"], fields(first)["id"]) == ("2000", f"{job_id}-pending")


def test_the_headers_of_a_stream(device: Device, jobs: Jobs) -> None:
    with ask(device, jobs.add_job()[0]) as response:
        assert (response.status_code, response.mimetype) == (200, "text/event-stream")
        assert (response.headers["Cache-Control"], response.headers["X-Accel-Buffering"]) == ("no-store", "no")
        assert "Content-Length" not in response.headers


def test_head_has_the_headers_and_no_stream(device: Device, jobs: Jobs, feed: ProgressFeed) -> None:
    response = ask(device, jobs.add_job()[0], "HEAD")
    assert (response.status_code, response.mimetype, response.data) == (200, "text/event-stream", b"")
    assert not feed.is_running


def test_events_go_on_and_follow_the_job_to_its_end(device: Device, jobs: Jobs) -> None:
    game_id, job_id = jobs.add_job()
    with ask(device, game_id) as response:
        events = told(response)
        assert [data(next(events)) for _ in range(3)] == [PENDING] * 3
        jobs.change(job_id, DownloadState.DOWNLOADING, bytes_downloaded=255, speed=12)
        running = data(wait_for(events, f"{job_id}-downloading"))
        jobs.change(job_id, DownloadState.COMPLETED, bytes_downloaded=SIZE)
        rest = list(events)
    assert running == {**PENDING, "status": "downloading", "progress": 25, "bytesDownloaded": 255, "speed": 12}
    assert fields(rest[-1])["id"] == f"{job_id}-completed"
    assert [data(event)["status"] for event in rest].count("completed") == 1


@pytest.mark.parametrize("state", FINAL)
def test_a_final_state_is_the_last_event(device: Device, jobs: Jobs, feed: ProgressFeed, state: DownloadState) -> None:
    game_id, job_id = jobs.add_job()
    with ask(device, game_id) as response:
        events = told(response)
        next(events)
        jobs.change(job_id, state, error="All sources failed" if state is DownloadState.ERROR else None)
        last = list(events)[-1]
    assert data(last)["status"] == state
    assert data(last).get("error") == ("All sources failed" if state is DownloadState.ERROR else None)
    wait_until(lambda: not feed.is_running)


@pytest.mark.parametrize("state", FINAL)
def test_a_late_reader_gets_the_last_state_only(
    device: Device, jobs: Jobs, feed: ProgressFeed, state: DownloadState
) -> None:
    game_id, job_id = jobs.add_job()
    jobs.change(job_id, state, error="gone" if state is DownloadState.ERROR else None)
    (event,) = told(ask(device, game_id))
    assert fields(event)["id"] == f"{job_id}-{state}"
    assert data(event).keys() - PENDING.keys() == ({"error"} if state is DownloadState.ERROR else set())
    assert not feed.is_running


@pytest.mark.parametrize("state", FINAL)
def test_who_has_seen_the_end_is_told_to_stay_away(device: Device, jobs: Jobs, state: DownloadState) -> None:
    game_id, job_id = jobs.add_job()
    jobs.change(job_id, state)
    seen = f"{job_id}-{state}"
    for response in (ask(device, game_id, Last_Event_ID=seen), ask(device, game_id, query={"lastEventId": seen})):
        assert (response.status_code, response.data) == (204, b"")


def test_the_header_is_of_a_later_stream_than_the_query(device: Device, jobs: Jobs) -> None:
    game_id, job_id = jobs.add_job()
    jobs.change(job_id, DownloadState.COMPLETED)
    seen, earlier = f"{job_id}-completed", f"{job_id}-pending"
    assert ask(device, game_id, query={"lastEventId": earlier}, Last_Event_ID=seen).status_code == 204
    assert ask(device, game_id, query={"lastEventId": seen}, Last_Event_ID=earlier).status_code == 200
    assert ask(device, game_id, query={"lastEventId": seen}, Last_Event_ID="").status_code == 204


@pytest.mark.parametrize("seen", ["{job}-pending", "{job}-error", "{job}", "0-completed", "", "\u00e9", "x" * 2000])
def test_who_has_not_seen_the_end_gets_it(device: Device, jobs: Jobs, seen: str) -> None:
    game_id, job_id = jobs.add_job()
    jobs.change(job_id, DownloadState.COMPLETED)
    for response in (
        ask(device, game_id, Last_Event_ID=seen.format(job=job_id)),
        ask(device, game_id, query={"lastEventId": seen.format(job=job_id)}),
    ):
        (event,) = told(response)
        assert fields(event)["id"] == f"{job_id}-completed"


def test_who_has_seen_the_end_of_an_earlier_job_gets_the_later_one(device: Device, jobs: Jobs) -> None:
    game_id, earlier = jobs.add_job()
    jobs.change(earlier, DownloadState.CANCELLED)
    later = jobs.begin(game_id)
    with ask(device, game_id, Last_Event_ID=f"{earlier}-cancelled") as response:
        assert fields(next(told(response)))["id"] == f"{later}-pending"


def test_a_new_job_of_the_game_is_followed_without_a_break(device: Device, jobs: Jobs, looks: Looks) -> None:
    game_id, earlier = jobs.add_job()
    with ask(device, game_id) as response:
        events = told(response)
        next(events)
        with looks.gate:
            jobs.change(earlier, DownloadState.CANCELLED)
            later = jobs.begin(game_id)
        wait_for(events, f"{later}-pending")
        jobs.change(later, DownloadState.COMPLETED)
        assert fields(list(events)[-1])["id"] == f"{later}-completed"


@pytest.mark.parametrize("game", ["never started", UNKNOWN, "no-id"])
def test_a_game_that_was_never_downloaded_is_404(device: Device, jobs: Jobs, game: object) -> None:
    response = ask(device, str(jobs.add_game() if game == "never started" else game))
    assert (response.status_code, response.get_json()["success"]) == (404, False)
    assert response.mimetype == "application/json"


def test_any_account_may_follow(other_device: Device, jobs: Jobs) -> None:
    with ask(other_device, jobs.add_job()[0]) as response:
        assert data(next(told(response))) == PENDING


def _sign_out(device: Device, _services: Services, _clock: Clock) -> None:
    assert device.post("/auth/logout").status_code == 204


def _disable(_device: Device, services: Services, _clock: Clock) -> None:
    services.accounts.disable("alice")


def _expire(_device: Device, _services: Services, clock: Clock) -> None:
    clock.advance(minutes=30, seconds=1)


@pytest.mark.parametrize("end", [_sign_out, _disable, _expire])
def test_a_stream_ends_with_its_sign_in(
    device: Device,
    services: Services,
    jobs: Jobs,
    clock: Clock,
    feed: ProgressFeed,
    end: Callable[[Device, Services, Clock], None],
) -> None:
    game_id, _ = jobs.add_job()
    (response,) = follow_all(device, [game_id])
    end(device, services, clock)
    assert all(data(event) == PENDING for event in told(response))
    wait_until(lambda: not feed.is_running)


@pytest.mark.parametrize("ending", ["revoked", "expired", "disabled"])
def test_a_stream_ends_with_its_key(
    app: Flask, device: Device, services: Services, jobs: Jobs, clock: Clock, feed: ProgressFeed, ending: str
) -> None:
    game_id, _ = jobs.add_job()
    key, kept = (new_key(device, "games", expires_at=format_second(clock.at + each)) for each in LIVES)
    (response,), (other,) = (follow_all(showing(app, each["key"]), [game_id]) for each in (key, kept))
    if ending == "revoked":
        assert device.delete(f"/auth/keys/{key['id']}").status_code == 204
    elif ending == "expired":
        clock.advance(seconds=3)
    else:
        services.accounts.disable("alice")
    assert all(data(event) == PENDING for event in told(response))
    if ending == "disabled":
        assert all(data(event) == PENDING for event in told(other))
        wait_until(lambda: not feed.is_running)
    else:
        assert data(next(told(other))) == PENDING
        other.close()


def test_other_sign_ins_stay_when_one_ends(device: Device, other_device: Device, jobs: Jobs) -> None:
    game_id, _ = jobs.add_job()
    (ending,), (staying,) = follow_all(device, [game_id]), follow_all(other_device, [game_id])
    device.post("/auth/logout")
    list(told(ending))
    assert data(next(told(staying))) == PENDING
    staying.close()
