"""The room that is kept for opening the database on a full disk."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.small_disk import fill, mounted
from transfer_service.db import reserve
from transfer_service.db.database import Database
from transfer_service.db.schema import check, upgrade

MEBIBYTE = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", 32 * MEBIBYTE) as folder:
        yield folder


def kept(disk: Path) -> int:
    path = disk / reserve.NAME
    return path.stat().st_blocks * 512 if path.exists() else 0


def test_it_is_a_share_of_the_disk(disk: Path) -> None:
    reserve.take(disk)
    assert kept(disk) == 2 * MEBIBYTE
    reserve.take(disk)
    assert kept(disk) == 2 * MEBIBYTE


def test_it_is_not_taken_where_little_is_free(disk: Path) -> None:
    (disk / "data").write_bytes(bytes(27 * MEBIBYTE))
    reserve.take(disk)
    assert kept(disk) == 0


def test_it_stays_while_there_is_room(disk: Path) -> None:
    reserve.take(disk)
    reserve.give_up_if_full(disk)
    assert kept(disk) == 2 * MEBIBYTE


def test_half_of_it_goes_each_time_and_all_of_it_comes_back(disk: Path) -> None:
    reserve.take(disk)
    for left in (MEBIBYTE, MEBIBYTE // 2):
        filler = fill(disk)
        reserve.give_up_if_full(disk)
        assert kept(disk) == left
    filler.unlink()
    reserve.take(disk)
    assert kept(disk) == 2 * MEBIBYTE


def test_a_link_in_its_place_is_not_followed(disk: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (disk / reserve.NAME).symlink_to(tmp_path / "victim")
    reserve.take(disk)
    fill(disk)
    reserve.give_up_if_full(disk)
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_database_that_was_closed_opens_on_a_full_disk(disk: Path) -> None:
    url = f"sqlite:///{disk / 'db.sqlite3'}"
    upgrade(url)
    database = Database(url)
    database.check()
    database.take_reserve()
    database.dispose()
    fill(disk)
    with pytest.raises(sqlite3.OperationalError):  # as it is: not even reading works
        sqlite3.connect(disk / "db.sqlite3").execute("SELECT * FROM files").fetchall()
    for _ in range(2):
        database = Database(url)
        check(database)
        database.check()
        database.dispose()
        fill(disk)


def test_a_database_on_a_server_needs_none(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database(postgres_url)
    database.take_reserve()
    database.dispose()
    assert list(tmp_path.iterdir()) == []
