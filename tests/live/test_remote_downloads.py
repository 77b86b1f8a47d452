"""Remote downloads over HTTP, from the catalogue to a member of the archive, with a real worker and a real source."""

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import requests

from tests.live.bad_source import HONEST, Behaviour, Drip
from tests.live.download_worker import working
from tests.live.remote import PAGE, GameEntry, Site, catalogue, game_bytes, remote_site
from tests.live.server import LiveServer, started, wait_until

DATA = game_bytes(300_000)
STALL_AT = 100_000
HANGS = Behaviour(stall_at=STALL_AT)
SLOW = Behaviour(drip=Drip(30_000, 0.3))
STATES = ["pending", "downloading", "verifying", "completed"]
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("remote") / "data"
    with (
        remote_site(data_dir, *[DATA] * 30, accounts=["alice"]) as site,
        working(data_dir, **site.server.environment),
    ):
        yield site


@pytest.fixture
def hanging(site: Site) -> Iterator[GameEntry]:
    """A download whose source has sent a part and then no more."""
    game = site.next_game(HANGS)
    site.start(game)
    try:
        site.wait_for_bytes(game, STALL_AT)
        yield game
    finally:
        site.cancel(game)


def test_a_game_goes_from_the_catalogue_to_a_member_of_its_archive(site: Site) -> None:
    game = site.next_game(SLOW)
    accepted = site.ask(game)
    events = list(site.events(game))
    page = site.carol.get(f"{site.server.url}/game-zip/{game.game_id}/content/game.test/index.html", timeout=30)
    assert (accepted.status_code, accepted.json()) == (
        202,
        {"success": True, "message": "Download started", "gameId": game.game_id, "gameDataId": game.data_id},
    )
    assert events[-1] == {
        "status": "completed", "progress": 100, "bytesDownloaded": len(DATA), "totalBytes": len(DATA), "speed": 0,
    }  # fmt: skip
    assert (page.status_code, page.headers["Content-Type"].split(";")[0], page.content) == (200, "text/html", PAGE)
    assert site.archive(game) == DATA


def test_the_stream_tells_of_every_step_and_never_goes_back(site: Site) -> None:
    game = site.next_game(SLOW)
    site.start(game)
    events = list(site.events(game))
    assert all(event.keys() == {"status", "progress", "bytesDownloaded", "totalBytes", "speed"} for event in events)
    counts = [event["bytesDownloaded"] for event in events]
    assert counts == sorted(counts)
    assert any(0 < count < len(DATA) for count in counts)
    order = [STATES.index(event["status"]) for event in events]
    assert order == sorted(order)


def test_who_comes_late_gets_the_last_state_at_once(site: Site) -> None:
    game = site.next_game(HONEST)
    site.start(game)
    site.wait_for(game, "completed")
    assert [event["status"] for event in site.events(game)] == ["completed"]


def test_the_listing_and_the_log_tell_of_a_download(site: Site) -> None:
    game = site.next_game(HONEST)
    site.start(game)
    job = site.wait_for(game, "completed")
    started_at, finished_at = job.pop("startedAt"), job.pop("finishedAt")
    first, last = site.activities(game)
    assert job == {
        "gameId": game.game_id, "gameDataId": game.data_id, "title": f"Game {game.data_id}", "status": "completed",
        "progress": 100, "bytesDownloaded": len(DATA), "totalBytes": len(DATA), "speed": 0, "error": None,
    }  # fmt: skip
    assert started_at <= first["createdAt"] <= finished_at
    # Two archives never share a second of completion, so the date of one may be some seconds ahead of the clock.
    ahead = datetime.fromisoformat(finished_at) - datetime.fromisoformat(last["createdAt"])
    assert ahead <= timedelta(seconds=20)
    for activity, action in ((first, "download.started"), (last, "download.completed")):
        assert (activity["username"], activity["action"], activity["resource"]) == ("carol", action, "games")
        assert activity["ipAddress"] == "127.0.0.1"
        assert activity["details"] == {
            "gameDataId": game.data_id, "gameTitle": f"Game {game.data_id}", "sha256": game.sha256,
            "sources": ["first", "second"],
        }  # fmt: skip


def test_a_page_of_the_web_is_found_in_the_archive(site: Site) -> None:
    game = site.next_game(HONEST)
    site.start(game)
    site.wait_for(game, "completed")
    page = site.carol.get(f"{site.server.url}/game-zip/http://game.test/index.html", timeout=30, allow_redirects=False)
    assert (page.status_code, page.content) == (200, PAGE)


def test_a_catalogue_of_the_command_line_can_be_downloaded(site: Site) -> None:
    game = GameEntry("7d0e8c57-6a7c-4f0e-9a1e-0d8f3c1b2a90", 9_000_000_001, DATA)
    text = catalogue([game])
    broken = json.loads(text)
    broken["gameData"][0]["size"] = 0
    with pytest.raises(AssertionError, match=r"gameData\[0\]\.size"):
        site.server.command("games", "import", "-", stdin=json.dumps(broken))
    unknown = site.ask(game)
    site.server.command("games", "import", "-", stdin=text)
    site.source.serve(game.path(), DATA)
    site.start(game)
    site.wait_for(game, "completed")
    assert (unknown.status_code, unknown.json()) == (404, {"success": False, "error": "Game not found"})
    assert f"{game.game_id}\tGame {game.data_id}\t{game.data_id}\tData\t{len(DATA)}\tdownloaded" in (
        site.server.command("games", "list")
    )


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param({}, "gameDataId is required", id="missing"),
        pytest.param({"gameDataId": "1"}, "gameDataId must be a whole number from 0 on", id="string"),
        pytest.param({"gameDataId": -1}, "gameDataId must be a whole number from 0 on", id="negative"),
    ],
)
def test_a_bad_body_starts_nothing(site: Site, body: dict[str, object], error: str) -> None:
    game = site.next_game(HONEST)
    answer = site.carol.post(site.url_of(game), json=body, timeout=30)
    progress = site.carol.get(f"{site.url_of(game)}/progress", timeout=30)
    assert (answer.status_code, answer.json()) == (400, {"success": False, "error": error})
    assert (progress.status_code, site.requests_for(game)) == (404, [])


def test_who_may_not_download_is_refused(site: Site) -> None:
    game = site.next_game(HONEST)
    nobody = requests.post(site.url_of(game), json={"gameDataId": game.data_id}, timeout=30)
    alice = site.ask(game, site.server.sign_in("alice"))
    assert (nobody.status_code, nobody.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert alice.json() == {"error": {"message": "Insufficient permissions", "statusCode": 403}}
    assert site.activities(game) == []


def test_data_of_another_game_is_unknown(site: Site) -> None:
    game, other = site.next_game(HONEST), site.next_game(HONEST)
    answer = site.ask(GameEntry(game.game_id, other.data_id, DATA))
    nowhere = site.ask(GameEntry(NOWHERE, other.data_id, DATA))
    assert (answer.status_code, answer.json()) == (404, {"success": False, "error": "Game data not found"})
    assert (nowhere.status_code, nowhere.json()) == (404, {"success": False, "error": "Game not found"})
    assert site.requests_for(game) == site.requests_for(other) == []


def test_a_second_start_is_a_conflict(site: Site, hanging: GameEntry) -> None:
    answer = site.ask(hanging)
    assert (answer.status_code, answer.json()["error"]) == (409, "A download of this game is in progress")
    assert (site.actions(hanging), len(site.requests_for(hanging))) == (["started"], 1)


def test_what_is_downloaded_is_not_downloaded_again(site: Site) -> None:
    game = site.next_game(HONEST)
    site.start(game)
    site.wait_for(game, "completed")
    answer = site.ask(game)
    assert (answer.status_code, answer.json()["error"]) == (409, "This game data is already downloaded")
    assert len(site.requests_for(game)) == 1


def test_a_cancelled_download_hangs_up_and_leaves_nothing(site: Site, hanging: GameEntry) -> None:
    wait_until(lambda: site.source.open_connections == 1)  # those of earlier tests are closed
    answer = site.cancel(hanging)
    state = site.state(hanging)
    wait_until(lambda: site.source.open_connections == 0, seconds=25)  # the contract says 1 second; a silence takes 30
    wait_until(lambda: not site.parts())
    assert (answer.status_code, answer.json()) == (200, {"success": True, "message": "Download cancelled"})
    assert state == "cancelled"
    assert (site.actions(hanging), site.archive(hanging)) == (["started", "cancelled"], None)


def test_a_cancelled_download_ends_its_stream(site: Site, hanging: GameEntry) -> None:
    events = site.events(hanging)
    first = next(events)
    site.cancel(hanging)
    last = [first, *events][-1]
    assert (first["status"], last["status"]) == ("downloading", "cancelled")
    assert (last["bytesDownloaded"], last["speed"]) == (STALL_AT, 0)


def test_only_who_may_cancels(site: Site, hanging: GameEntry) -> None:
    alice = site.server.sign_in("alice").delete(site.url_of(hanging), timeout=30)
    state = site.state(hanging)
    assert (alice.status_code, state) == (403, "downloading")
    assert site.cancel(hanging).status_code == 200
    assert site.cancel(hanging).status_code == 404


def test_a_cancelled_game_can_be_started_again(site: Site) -> None:
    game = site.next_game(HANGS, HONEST)
    site.start(game)
    site.wait_for_bytes(game, STALL_AT)
    site.cancel(game)
    site.start(game)
    site.wait_for(game, "completed")
    assert [request.range for request in site.requests_for(game)] == [None, None]  # nothing of the first one is used
    assert (site.archive(game), site.actions(game)) == (DATA, ["started", "cancelled", "started", "completed"])
    wait_until(lambda: not site.parts())


def test_three_of_four_are_admitted_at_once_whichever_instance_is_asked(site: Site) -> None:
    games = [site.next_game(HANGS) for _ in range(4)]
    with started(LiveServer(site.server.data_dir, site.server.environment)) as second:
        barrier, answers = threading.Barrier(4), dict[str, requests.Response]()

        def ask(game: GameEntry, server: LiveServer) -> None:
            session = server.sign_in("carol")
            url = f"{server.url}/api/downloads/{game.game_id}/download"
            barrier.wait()
            answers[game.game_id] = session.post(url, json={"gameDataId": game.data_id}, timeout=30)

        servers = [site.server, second, site.server, second]
        threads = [threading.Thread(target=ask, args=pair) for pair in zip(games, servers, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    (refused,) = [game for game in games if answers[game.game_id].status_code == 503]
    assert sorted(answer.status_code for answer in answers.values()) == [202, 202, 202, 503]
    assert int(answers[refused.game_id].headers["Retry-After"]) > 0
    admitted = [game for game in games if game is not refused]
    assert site.cancel(admitted[0]).status_code == 200
    site.start(refused)  # the slot is free at once
    for game in [*admitted[1:], refused]:
        assert site.cancel(game).status_code == 200


def test_two_workers_fetch_every_archive_once(site: Site) -> None:
    games = [site.next_game(SLOW) for _ in range(6)]
    with working(site.server.data_dir, **site.server.environment):
        for game in games:
            wait_until(lambda game=game: site.ask(game).status_code == 202)  # type: ignore[misc]
        for game in games:
            site.wait_for(game, "completed")
    assert [len(site.requests_for(game)) for game in games] == [1] * 6
    assert [site.actions(game) for game in games] == [["started", "completed"]] * 6
