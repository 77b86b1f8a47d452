"""Looking through the catalogue, on both databases, and with many games."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Column, MetaData, Table, Text, Uuid

from tests.games import add_game, complete_archive
from tests.services.conftest import Bench
from transfer_service.db.database import Database
from transfer_service.db.schema import upgrade
from transfer_service.models.games import Game, GameData
from transfer_service.services.games.browsing import GameBrowsing, GameQuery, GameSort
from transfer_service.wire.game_catalogue import Catalogue, GameDataEntry, GameEntry

ADDED_AT = datetime(2024, 5, 1, tzinfo=UTC)
IDS = [uuid.UUID(int=number << 100) for number in range(1, 7)]
TITLES = ["b 家", "B", "ärger", "Ärger", "%", "z" * 1000]
CATALOGUE = Catalogue(
    games=tuple(
        GameEntry(game_id, title, release_date=None if place % 2 else f"{place} " + "9" * 998, publisher="Σ" * 1000)
        for place, (game_id, title) in enumerate(zip(IDS, TITLES, strict=True))
    ),
    game_data=tuple(
        GameDataEntry(place, game_id, "one", ADDED_AT.replace(day=1 + place // 2), "ab" * 32, 10)
        for place, game_id in enumerate(IDS[:5])
    ),
)


def ids(bench: Bench, **query: object) -> list[uuid.UUID]:
    """The games on the page that a query asks for."""
    asked = GameQuery(**{"page": 1, "limit": 100, **query})  # type: ignore[arg-type]
    return [game.id for game in bench.services.game_browsing.list_page(asked).games]


@pytest.mark.parametrize("sort", GameSort)
def test_pages_have_every_game_once_in_one_order(any_bench: Bench, sort: GameSort) -> None:
    any_bench.services.games.import_catalogue(CATALOGUE)
    for is_ascending in (True, False):
        whole = ids(any_bench, sort=sort, is_ascending=is_ascending)
        pages = [ids(any_bench, page=page, limit=1, sort=sort, is_ascending=is_ascending) for page in range(1, 8)]
        assert [game_id for page in pages for game_id in page] == whole
        assert sorted(whole) == IDS
        without = {GameSort.TITLE: [], GameSort.RELEASE_DATE: IDS[1::2], GameSort.DATE_ADDED: IDS[5:]}[sort]
        assert sorted(whole[len(whole) - len(without) :]) == without


def test_titles_have_the_same_order_on_every_database(any_bench: Bench) -> None:
    any_bench.services.games.import_catalogue(CATALOGUE)
    assert ids(any_bench) == [IDS[4], IDS[1], IDS[0], IDS[5], IDS[2], IDS[3]]


def test_a_search_knows_no_case(any_bench: Bench) -> None:
    any_bench.services.games.import_catalogue(CATALOGUE)
    assert ids(any_bench, search="ÄRGER") == [IDS[2], IDS[3]]
    assert ids(any_bench, search="%") == [IDS[4]]
    assert len(ids(any_bench, search="\u03c2")) == len(IDS)  # the other small form of the same letter


def test_what_an_old_instance_imported_is_put_right_by_the_next_import(any_bench: Bench) -> None:
    services = any_bench.services
    services.games.import_catalogue(CATALOGUE)
    with services.database.write() as session:
        session.get_one(Game, IDS[1]).search_text = ""
    report = services.games.import_catalogue(CATALOGUE)
    assert (report.games_changed, report.data_changed) == (1, 0)
    assert len(ids(any_bench, search="Σ")) == len(IDS)


def test_a_game_is_downloaded_as_the_catalogue_names_it_now(bench: Bench) -> None:
    game_id = add_game(bench.services, 1)
    complete_archive(bench.services, bench.services.core.settings.data_dir, 1, b"bytes")
    assert bench.services.game_browsing.get(game_id).is_downloaded
    with bench.services.database.write() as session:
        session.get_one(GameData, 1).sha256 = "ab" * 32
    assert not bench.services.game_browsing.get(game_id).is_downloaded


def test_every_order_of_ten_thousand_games_has_an_index(bench: Bench) -> None:
    many = tuple(
        GameEntry(uuid.UUID(int=number), f"Game {number}", description="x" * 500, release_date=str(number % 60))
        for number in range(1, 10_001)
    )
    bench.services.games.import_catalogue(Catalogue(games=many, game_data=()))
    assert ids(bench, search="GAME 9999") == [uuid.UUID(int=9999)]
    assert len(ids(bench, page=100, sort=GameSort.RELEASE_DATE)) == 100
    with bench.services.database.read_rows() as rows:
        for order in ("title_key DESC", "release_key DESC NULLS LAST", "added_at ASC NULLS LAST"):
            statement = f"SELECT id FROM games ORDER BY {order}, id {order.split()[1]} LIMIT 50"
            plan = str(rows.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all())
            assert "USING COVERING INDEX ix_games_" in plan, plan
            assert "TEMP B-TREE" not in plan, plan


def test_games_from_before_are_sorted_and_found(database_url: str, bench: Bench) -> None:
    """What an older version had imported, also more of it than the migration takes at once."""
    upgrade(database_url, "0022")
    database = Database(database_url)
    old = [(uuid.UUID(int=number), f"Older {number:04}", None, None) for number in range(1, 2102)]
    told = [(uuid.UUID(int=9000), "ÄLTER", "Straße", "1999-" + "9" * 100)]
    with database.write_rows() as rows:
        names = ("id", "title", "developer", "release_date")
        games = [dict(zip(names, each, strict=True)) for each in (*old, *told)]
        table = Table("games", MetaData(), *(Column(name, Uuid() if name == "id" else Text()) for name in names))
        rows.execute(table.insert(), games)
        data = {"id": 1, "game_id": told[0][0], "title": "1", "added_at": ADDED_AT, "sha256": "ab" * 32, "size": 1}
        rows.execute(GameData.__table__.insert(), data)
    upgrade(database_url)
    browsing = GameBrowsing(replace(bench.services.core, database=database))
    found = browsing.list_page(GameQuery(1, 100, search="strasse"))
    assert [(game.title, game.release_date) for game in found.games] == [("ÄLTER", told[0][3])]
    last = browsing.list_page(GameQuery(22, 100))
    assert (last.total, last.games[0].title, last.games[-1].title) == (2102, "Older 2101", "ÄLTER")
    latest = browsing.list_page(GameQuery(1, 1, sort=GameSort.DATE_ADDED, is_ascending=False))
    assert latest.games[0].title == "ÄLTER"
    database.dispose()
