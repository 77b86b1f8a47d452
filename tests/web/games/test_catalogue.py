"""`/api/games`: looking through the catalogue."""

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Device
from tests.games import complete_archive, make_zip
from tests.remote_jobs import Jobs
from transfer_service.bootstrap import Services
from transfer_service.models.games import DownloadState
from transfer_service.wire.game_catalogue import Catalogue, GameDataEntry, GameEntry

LAKE, ZEBRA, APPLE, STRASSE = (uuid.UUID(int=number) for number in (1, 2, 3, 4))
ADDED_AT = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
TOLD = GameEntry(
    LAKE, "escape from the Lake", platform="HTML5", developer="Über 100%", publisher="A_B", release_date="2004-07-01",
    description="Find the way out", launch_command="http://example.com/lake/index.html", tags=["puzzle", "家"],
)  # fmt: skip
GAMES = (
    TOLD,
    GameEntry(ZEBRA, "Zebra"),
    GameEntry(APPLE, "ÄPFEL", release_date="1999"),
    GameEntry(STRASSE, "Straße", developer="Lake\u0301", release_date="2010"),
)
DATA = (
    GameDataEntry(1, LAKE, "1.0", ADDED_AT, "ab" * 32, 1000),
    GameDataEntry(2, LAKE, "0.9", ADDED_AT.replace(year=2020), "cd" * 32, 2000),
    GameDataEntry(3, ZEBRA, "only", ADDED_AT.replace(year=2023), "ef" * 32, 3000),
)


@pytest.fixture
def catalogue(services: Services) -> Services:
    """Four games, of which two have archives."""
    services.games.import_catalogue(Catalogue(games=GAMES, game_data=DATA))
    return services


def get(device: Device, path: str = "", **query: Any) -> tuple[int, Any]:
    response = device.get(f"/api/games{path}", query_string=query)
    return response.status_code, response.get_json()


def listed(device: Device, **query: Any) -> list[int]:
    """The numbers of the games on a page."""
    status, page = get(device, **query)
    assert status == 200, page
    return [uuid.UUID(game["id"]).int for game in page["games"]]


def test_a_game_has_all_that_the_catalogue_tells(device: Device, catalogue: Services) -> None:  # noqa: ARG001
    status, game = get(device, f"/{LAKE}")
    assert status == 200
    archives = [
        {
            "id": 2, "title": "0.9", "dateAdded": "2020-05-01T12:00:00.123Z", "size": 2000, "sha256": "cd" * 32,
            "downloaded": False,
        },
        {
            "id": 1, "title": "1.0", "dateAdded": "2024-05-01T12:00:00.123Z", "size": 1000, "sha256": "ab" * 32,
            "downloaded": False,
        },
    ]  # fmt: skip
    assert game == {
        "id": str(LAKE), "title": "escape from the Lake", "platform": "HTML5", "developer": "Über 100%",
        "publisher": "A_B", "releaseDate": "2004-07-01", "description": "Find the way out", "tags": ["puzzle", "家"],
        "launchCommand": "http://example.com/lake/index.html", "downloaded": False, "downloading": False,
        "gameData": archives,
    }  # fmt: skip


def test_what_is_not_told_is_null(device: Device, catalogue: Services) -> None:  # noqa: ARG001
    _, page = get(device, search="zebra")
    game = page["games"][0]
    names = ["platform", "developer", "publisher", "releaseDate", "description", "tags", "launchCommand"]
    assert [game[name] for name in names] == [None] * len(names)
    assert page["pagination"] == {"page": 1, "limit": 50, "total": 1, "totalPages": 1}


@pytest.mark.parametrize(("query", "games"), [
    pytest.param({}, [1, 4, 2, 3], id="title"),
    pytest.param({"sortOrder": "desc"}, [3, 2, 4, 1], id="title-back"),
    pytest.param({"sortBy": "releaseDate"}, [3, 1, 4, 2], id="release"),
    pytest.param({"sortBy": "releaseDate", "sortOrder": "desc"}, [4, 1, 3, 2], id="release-back"),
    pytest.param({"sortBy": "dateAdded"}, [2, 1, 3, 4], id="added"),
    pytest.param({"sortBy": "dateAdded", "sortOrder": "desc"}, [1, 2, 4, 3], id="added-back"),
    pytest.param({"limit": "2", "page": "2"}, [2, 3], id="second-page"),
    pytest.param({"limit": "3", "page": "2"}, [3], id="last-page"),
    pytest.param({"page": "9" * 40}, [], id="past-the-end"),
    pytest.param({"search": ""}, [1, 4, 2, 3], id="empty-search"),
    pytest.param({"search": "FROM THE lake"}, [1], id="in-any-case"),
    pytest.param({"search": "äpfel"}, [3], id="in-any-case-of-any-script"),
    pytest.param({"search": "A\u0308pfel"}, [3], id="decomposed"),
    pytest.param({"search": "STRASSE"}, [4], id="sharp-s"),
    pytest.param({"search": "über 100%"}, [1], id="developer"),
    pytest.param({"search": "a_b"}, [1], id="publisher"),
    pytest.param({"search": "%"}, [1], id="percent-is-a-letter"),
    pytest.param({"search": "_"}, [1], id="underline-is-a-letter"),
    pytest.param({"search": "html5"}, [], id="not-the-platform"),
    pytest.param({"search": "Lakeüber"}, [], id="not-over-two-fields"),
    pytest.param({"search": "e", "limit": "1", "page": "2", "sortBy": "releaseDate"}, [1], id="all-together"),
])  # fmt: skip
def test_which_games_are_listed_in_which_order(
    device: Device,
    catalogue: Services,  # noqa: ARG001
    query: dict[str, str],
    games: list[int],
) -> None:
    assert listed(device, **query) == games


@pytest.mark.parametrize(("query", "detail"), [
    pytest.param({"limit": "101"}, "limit must be 1 to 100", id="limit"),
    pytest.param({"limit": "0"}, "limit must be 1 to 100", id="no-limit"),
    pytest.param({"page": "0"}, "Invalid page", id="page"),
    pytest.param({"page": "x"}, "Invalid page", id="no-number"),
    pytest.param({"sortBy": "size"}, "sortBy must be one of title, releaseDate, dateAdded", id="sort"),
    pytest.param({"sortOrder": "down"}, "sortOrder must be one of asc, desc", id="order"),
    pytest.param({"search": "a\nb"}, "Invalid search", id="control"),
    pytest.param({"sort": "title"}, "Unknown query parameter: sort", id="unknown"),
])  # fmt: skip
def test_bad_queries_are_refused(device: Device, query: dict[str, str], detail: str) -> None:
    assert get(device, **query) == (400, {"detail": detail})


@pytest.mark.parametrize("path", ["", "/launch"])
@pytest.mark.parametrize("game_id", [str(uuid.UUID(int=9)), "x", "1"])
def test_unknown_games_are_not_found(device: Device, game_id: str, path: str) -> None:
    assert get(device, f"/{game_id}{path}") == (404, {"detail": "Game not found"})


def test_another_import_changes_what_is_found_and_where(device: Device, catalogue: Services) -> None:
    changed = GameEntry(ZEBRA, "Aardvark", developer="Z", release_date="1980")
    newer = GameDataEntry(3, ZEBRA, "only", ADDED_AT.replace(year=2030), "ef" * 32, 3000)
    catalogue.games.import_catalogue(Catalogue(games=(changed,), game_data=(newer,)))
    assert listed(device)[0] == ZEBRA.int
    assert listed(device, sortBy="releaseDate")[0] == ZEBRA.int
    assert listed(device, sortBy="dateAdded", sortOrder="desc")[0] == ZEBRA.int
    assert (listed(device, search="zebra"), listed(device, search="aardvark")) == ([], [ZEBRA.int])


def test_a_download_shows_while_it_runs(device: Device, jobs: Jobs) -> None:
    game_id, job_id = jobs.add_job()
    assert get(device, f"/{game_id}")[1]["downloading"] is True
    jobs.change(job_id, DownloadState.CANCELLED)
    assert get(device, f"/{game_id}")[1]["downloading"] is False


def test_a_downloaded_game_can_be_launched(device: Device, catalogue: Services, tmp_path: Path) -> None:
    before = get(device, f"/{LAKE}/launch")[1]
    assert (before["contentUrl"], before["downloaded"], before["canPlayInBrowser"]) == (None, False, True)
    complete_archive(catalogue, tmp_path / "data", 1, make_zip({"content/example.com/lake/index.html": b"<p>play"}))
    status, launch = get(device, f"/{LAKE}/launch")
    assert status == 200
    assert launch == {
        "gameId": str(LAKE), "title": "escape from the Lake", "platform": "HTML5",
        "launchCommand": "http://example.com/lake/index.html",
        "contentUrl": "/game-zip/http://example.com/lake/index.html", "downloaded": True, "canPlayInBrowser": True,
    }  # fmt: skip
    assert device.get(launch["contentUrl"]).data == b"<p>play"
    (tmp_path / "data" / "games" / "1.zip").unlink()  # by an operator
    assert get(device, f"/{LAKE}/launch")[1]["contentUrl"] is None
    assert get(device, search="lake")[1]["games"][0]["downloaded"] is False
