"""Importing and listing the catalogue of games."""

import re
import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from tests.services.conftest import Bench
from transfer_service.models.games import DownloadState, Game, GameData, RemoteDownload
from transfer_service.services.games.catalogue import GameDataFacts, GameFacts, ImportReport
from transfer_service.wire.game_catalogue import Catalogue, GameDataEntry, GameEntry, InvalidCatalogue

PONG, TETRIS, ELSEWHERE = (uuid.UUID(int=number << 100) for number in (9, 5, 7))
ADDED_AT = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
FIRST = GameDataEntry(id=1, game_id=PONG, title="Pong 1.0", added_at=ADDED_AT, sha256="ab" * 32, size=1000)
SECOND = replace(FIRST, id=2**63 - 1, title="Pong 1.1 家", added_at=ADDED_AT.replace(year=2025), size=2**53)
TOLD = GameEntry(
    PONG, "Pong", platform="Arcade", developer="Atari", publisher="Atari, Inc.", release_date="1972-11-29",
    description="Two paddles\nand a ball 家", launch_command="http://pong.test/index.html", tags=["sport", "two"],
)  # fmt: skip
CATALOGUE = Catalogue(games=(TOLD, GameEntry(TETRIS, "Tetris")), game_data=(SECOND, FIRST))
NOTHING = ImportReport(games_added=0, games_changed=0, data_added=0, data_changed=0)


def import_catalogue(bench: Bench, catalogue: Catalogue = CATALOGUE) -> ImportReport:
    return bench.services.games.import_catalogue(catalogue)


def stored(bench: Bench) -> Catalogue:
    """What the database has, by id."""
    with bench.services.database.read() as session:
        games = session.scalars(select(Game).order_by(Game.id)).all()
        data = session.scalars(select(GameData).order_by(GameData.id)).all()
    return Catalogue(
        games=tuple(GameEntry(*(getattr(game, name) for name in GameEntry.__slots__)) for game in games),
        game_data=tuple(
            GameDataEntry(row.id, row.game_id, row.title, row.added_at, row.sha256, row.size) for row in data
        ),
    )


def in_order(catalogue: Catalogue) -> Catalogue:
    """The same by id."""
    return Catalogue(
        games=tuple(sorted(catalogue.games, key=lambda entry: entry.id)),
        game_data=tuple(sorted(catalogue.game_data, key=lambda entry: entry.id)),
    )


def many(count: int) -> Catalogue:
    """Games with an archive each, in no order of their ids."""
    ids = [uuid.uuid4() for _ in range(count)]
    return Catalogue(
        games=tuple(GameEntry(game_id, f"Game {place}") for place, game_id in enumerate(ids)),
        game_data=tuple(replace(FIRST, id=count - place, game_id=game_id) for place, game_id in enumerate(ids)),
    )


def remember_download(bench: Bench, state: DownloadState, game_data_id: int = FIRST.id) -> None:
    """A job that ended."""
    with bench.services.database.write() as session:
        session.add(
            RemoteDownload(
                game_id=PONG,
                game_data_id=game_data_id,
                username="alice",
                state=state,
                sha256="ab" * 32,
                total_bytes=1000,
                started_at=bench.clock(),
                updated_at=bench.clock(),
            )
        )


def test_an_import_stores_everything_to_the_microsecond(any_bench: Bench) -> None:
    report = import_catalogue(any_bench)
    assert report == ImportReport(games_added=2, games_changed=0, data_added=2, data_changed=0)
    assert stored(any_bench) == in_order(CATALOGUE)


def test_a_second_import_changes_nothing(any_bench: Bench) -> None:
    import_catalogue(any_bench)
    assert import_catalogue(any_bench) == NOTHING
    assert stored(any_bench) == in_order(CATALOGUE)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"title": "Pong, the first"}, id="title"),
        pytest.param({"added_at": ADDED_AT.replace(microsecond=123457)}, id="date"),
        pytest.param({"sha256": "cd" * 32}, id="sha256"),
        pytest.param({"size": 1001}, id="size"),
    ],
)
def test_what_differs_is_changed_and_nothing_else(bench: Bench, change: dict[str, object]) -> None:
    import_catalogue(bench)
    changed = replace(CATALOGUE, game_data=(SECOND, replace(FIRST, **change)))  # type: ignore[arg-type]
    report = import_catalogue(bench, changed)
    assert report == ImportReport(games_added=0, games_changed=0, data_added=0, data_changed=1)
    assert stored(bench) == in_order(changed)


@pytest.mark.parametrize("name", ["platform", "developer", "publisher", "release_date", "description", "tags"])
@pytest.mark.parametrize("value", [None, "another"], ids=["not-told", "another"])
def test_what_is_told_of_a_game_is_what_was_imported_last(any_bench: Bench, name: str, value: str | None) -> None:
    import_catalogue(any_bench)
    told = replace(TOLD, **{name: [value] if name == "tags" and value else value})  # type: ignore[arg-type]
    changed = replace(CATALOGUE, games=(told, CATALOGUE.games[1]))
    for report in (replace(NOTHING, games_changed=1), NOTHING):
        assert import_catalogue(any_bench, changed) == report
    assert stored(any_bench) == in_order(changed)


def test_an_archive_does_not_change_its_game(any_bench: Bench) -> None:
    """The one that has it may be downloading it."""
    import_catalogue(any_bench)
    before = stored(any_bench)
    with pytest.raises(
        InvalidCatalogue, match=rf"gameData\[1\].gameId: {FIRST.id} belongs to the game {FIRST.game_id}"
    ):
        import_catalogue(any_bench, replace(CATALOGUE, game_data=(SECOND, replace(FIRST, game_id=TETRIS))))
    assert stored(any_bench) == before


def test_rows_are_added_and_changed_in_one_import(any_bench: Bench) -> None:
    import_catalogue(any_bench)
    third = replace(FIRST, id=3, game_id=ELSEWHERE)
    games = (GameEntry(ELSEWHERE, "Elite"), GameEntry(PONG, "PONG"), GameEntry(TETRIS, "Tetris"))
    catalogue = Catalogue(games=games, game_data=(third, replace(FIRST, size=5), SECOND))
    report = import_catalogue(any_bench, catalogue)
    assert report == ImportReport(games_added=1, games_changed=1, data_added=1, data_changed=1)
    assert stored(any_bench) == in_order(catalogue)


def test_what_a_catalogue_does_not_name_stays(bench: Bench) -> None:
    import_catalogue(bench)
    assert import_catalogue(bench, Catalogue(games=(), game_data=())) == NOTHING
    assert stored(bench) == in_order(CATALOGUE)


def test_rows_between_those_of_a_catalogue_are_left_alone(any_bench: Bench) -> None:
    all_of_them = in_order(many(9))
    import_catalogue(any_bench, all_of_them)
    first, *between, last = all_of_them.game_data
    edges = (replace(first, size=5), replace(last, size=5))
    assert import_catalogue(any_bench, Catalogue(games=(), game_data=edges)) == replace(NOTHING, data_changed=2)
    assert stored(any_bench).game_data == (edges[0], *between, edges[1])


def test_an_archive_may_belong_to_a_game_that_is_known_already(any_bench: Bench) -> None:
    import_catalogue(any_bench)
    third = replace(FIRST, id=3, game_id=TETRIS)
    report = import_catalogue(any_bench, Catalogue(games=(), game_data=(third,)))
    assert report == replace(NOTHING, data_added=1)
    assert third in stored(any_bench).game_data


def test_archives_of_unknown_games_are_all_named_and_nothing_is_imported(any_bench: Bench) -> None:
    import_catalogue(any_bench, replace(CATALOGUE, game_data=()))
    lost = tuple(replace(FIRST, id=number, game_id=ELSEWHERE) for number in (5, 6))
    named = [f"gameData[{place}].gameId: there is no game {ELSEWHERE}" for place in (1, 2)]
    with pytest.raises(InvalidCatalogue, match=re.escape("\n".join(named))):
        import_catalogue(any_bench, Catalogue(games=(GameEntry(PONG, "changed"),), game_data=(FIRST, *lost)))
    assert stored(any_bench) == in_order(replace(CATALOGUE, game_data=()))


def test_more_rows_than_one_query_asks_for(any_bench: Bench) -> None:
    catalogue = many(2500)
    assert import_catalogue(any_bench, catalogue) == replace(NOTHING, games_added=2500, data_added=2500)
    assert import_catalogue(any_bench, catalogue) == NOTHING
    changed = replace(catalogue, games=tuple(replace(game, title="new") for game in catalogue.games))
    assert import_catalogue(any_bench, changed) == replace(NOTHING, games_changed=2500)
    assert stored(any_bench) == in_order(changed)


def test_two_imports_at_once_add_every_row_once(any_bench: Bench) -> None:
    catalogue = many(1500)
    reports: list[ImportReport] = []
    threads = [
        threading.Thread(target=lambda: reports.append(import_catalogue(any_bench, catalogue))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.games_added for report in reports) == [0, 0, 1500]
    assert stored(any_bench) == in_order(catalogue)


def test_games_are_listed_by_title_with_their_oldest_archive_first(any_bench: Bench) -> None:
    import_catalogue(any_bench)
    assert any_bench.services.games.list_games() == [
        GameFacts(
            PONG,
            "Pong",
            (
                GameDataFacts(id=1, title="Pong 1.0", size=1000, is_downloaded=False),
                GameDataFacts(id=2**63 - 1, title="Pong 1.1 家", size=2**53, is_downloaded=False),
            ),
        ),
        GameFacts(TETRIS, "Tetris", ()),
    ]


def test_games_of_one_title_stay_apart(bench: Bench) -> None:
    games = (GameEntry(PONG, "Pong"), GameEntry(TETRIS, "Pong"))
    import_catalogue(bench, Catalogue(games=games, game_data=(FIRST, replace(SECOND, game_id=TETRIS))))
    listed = bench.services.games.list_games()
    assert [(game.id, [data.id for data in game.data]) for game in listed] == [(TETRIS, [SECOND.id]), (PONG, [1])]


@pytest.mark.parametrize("state", DownloadState)
def test_an_archive_is_downloaded_once_a_job_has_completed(bench: Bench, state: DownloadState) -> None:
    import_catalogue(bench)
    for each in (state, state):
        remember_download(bench, each)
    (pong, _tetris) = bench.services.games.list_games()
    assert [data.is_downloaded for data in pong.data] == [state is DownloadState.COMPLETED, False]
