"""The date of a version: no two versions of one name share a second, whatever happened between them."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select

from tests.services.conftest import Bench
from transfer_service.models.uploads import RetiredDate
from transfer_service.services.files.dates import PURGED_AT_ONCE, purge

NAME = "log.bin"


def date(bench: Bench, name: str = NAME) -> datetime:
    """The second that clients are told."""
    status = bench.services.files.find(bench.account_id, name)
    assert status is not None and status.completed_at is not None
    return status.completed_at.replace(microsecond=0)


def overwrite(bench: Bench) -> None:
    bench.store(b"new", overwrite=True)


def delete_and_store(bench: Bench) -> None:
    bench.services.files.delete(bench.account_id, NAME)
    bench.store(b"new")


def delete_and_send(bench: Bench) -> None:
    bench.services.files.delete(bench.account_id, NAME)
    bench.append(0, b"new", total=3)


def rename_away_and_store(bench: Bench) -> None:
    rename(bench, NAME, f"{len(bench.names())}.bin")
    bench.store(b"new")


def give_its_name_to_another(bench: Bench) -> None:
    bench.store(b"new", "new.bin")
    bench.services.files.delete(bench.account_id, NAME)
    rename(bench, "new.bin", NAME)


def rename(bench: Bench, old: str, new: str) -> None:
    status = bench.services.files.find(bench.account_id, old)
    assert status is not None
    bench.services.renaming.rename(bench.account_id, status.id, new)


CHANGES = [overwrite, delete_and_store, delete_and_send, rename_away_and_store, give_its_name_to_another]


@pytest.mark.parametrize("change", CHANGES)
def test_another_version_has_a_later_second(any_bench: Bench, change: Callable[[Bench], None]) -> None:
    any_bench.store(b"old")
    dates = [date(any_bench)]
    for _ in range(2):
        change(any_bench)
        dates.append(date(any_bench))
    assert dates == [dates[0] + timedelta(seconds=number) for number in range(3)]


def test_a_file_that_grows_is_another_version(any_bench: Bench) -> None:
    any_bench.append(0, b"abc")
    before = date(any_bench)
    any_bench.append(3, b"def")
    assert date(any_bench) == before + timedelta(seconds=1)


def test_the_same_bytes_again_are_the_same_version(bench: Bench) -> None:
    bench.append(0, b"abc")
    before = date(bench)
    bench.append(0, b"abc")
    assert date(bench) == before


@pytest.mark.parametrize("change", CHANGES)
def test_a_version_of_a_later_second_has_its_own(bench: Bench, change: Callable[[Bench], None]) -> None:
    bench.store(b"old")
    bench.clock.advance(seconds=5)
    change(bench)
    assert date(bench) == bench.clock().replace(microsecond=0)


def test_a_clock_that_was_turned_back_does_not_matter(bench: Bench) -> None:
    bench.store(b"old")
    before = date(bench)
    bench.clock.advance(seconds=-30)
    delete_and_store(bench)
    assert date(bench) == before + timedelta(seconds=1)


def test_other_names_are_not_concerned(bench: Bench) -> None:
    for name in ("a", "b"):
        bench.store(b"x", name)
    assert date(bench, "a") == date(bench, "b") == bench.clock().replace(microsecond=0)


def test_what_took_the_address_of_a_file_has_another_date(bench: Bench) -> None:
    """At /download/{file_id} the file of that very name goes first."""
    first = bench.store(b"old")
    bench.store(b"new", str(first.id))
    assert date(bench, str(first.id)) == date(bench) + timedelta(seconds=1)


def test_a_renamed_file_keeps_its_id_and_is_found_by_its_new_name(any_bench: Bench) -> None:
    stored = any_bench.store(b"x")
    rename(any_bench, NAME, "Öl.txt")
    found = any_bench.find("Öl.txt")
    assert found is not None
    assert (found.id, found.sha256, any_bench.find(NAME)) == (stored.id, stored.sha256, None)


def test_who_deletes_a_file_pays_for_few_of_the_others(bench: Bench) -> None:
    old = bench.clock() - timedelta(days=900)
    gone = {"account_id": bench.account_id, "name": "gone", "modified_at": old}
    with bench.services.database.write() as session:
        session.execute(insert(RetiredDate), [{"id": uuid.uuid4(), **gone} for _ in range(2 * PURGED_AT_ONCE)])
    left = []
    for _ in range(3):
        with bench.services.database.write_rows() as rows:
            purge(rows, datetime.now(UTC))
            left.append(rows.execute(select(func.count()).select_from(RetiredDate)).scalar_one())
    assert left == [PURGED_AT_ONCE, 0, 0]
