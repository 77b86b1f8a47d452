"""Listing the files of an account: filters, orders, pages, and the indexes that keep them fast."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.conftest import Bench, plan_of
from transfer_service.errors import NameTaken
from transfer_service.models.files import folded
from transfer_service.services.files import listing
from transfer_service.services.files.listing import FileQuery, Sort, Status, _successor, place_of

NAMES = ["a.txt", "B.txt", "b.txt", "Ärger.txt", "ärger 2.txt", "文件.bin", "Straße.md", "100%_off.md", "ΣΊΣΥΦΟΣ"]


def fill(bench: Bench) -> Bench:
    """Files of those names, some of the same instant, of different sizes; the last one is unfinished."""
    for number, name in enumerate(NAMES[:-1]):
        bench.store(b"x" * (number % 3), name)
        bench.clock.advance(seconds=number % 2)
    bench.append(0, b"abc", NAMES[-1], total=9)
    bench.another_account().store(b"y", "a.txt")
    return bench


@pytest.fixture
def shelf(bench: Bench) -> Bench:
    """On SQLite."""
    return fill(bench)


def names(bench: Bench, query: FileQuery, limit: int = 100) -> list[str]:
    return [file.name for file in bench.services.file_listing.list_files(bench.account_id, query, limit=limit)]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        pytest.param("", NAMES, id="nothing"),
        pytest.param("B", ["B.txt", "b.txt", "文件.bin"], id="capital"),
        pytest.param("ÄRGER", ["Ärger.txt", "ärger 2.txt"], id="umlaut"),
        pytest.param("a\u0308rger", ["Ärger.txt", "ärger 2.txt"], id="decomposed"),
        pytest.param("STRASSE", ["Straße.md"], id="sharp-s"),
        pytest.param("σίσυφος", ["ΣΊΣΥΦΟΣ"], id="greek"),
        pytest.param("文", ["文件.bin"], id="chinese"),
        pytest.param("%_", ["100%_off.md"], id="no-wildcards"),
        pytest.param("_", ["100%_off.md"], id="no-wildcard"),
        pytest.param("x" * 300, [], id="long"),
    ],
)
def test_a_part_of_the_name_is_found_in_any_case(shelf: Bench, search: str, found: list[str]) -> None:
    assert sorted(names(shelf, FileQuery(search=search))) == sorted(found)


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("b", ["b.txt"]),
        ("B.", ["B.txt"]),
        ("ä", ["ärger 2.txt"]),
        ("100%", ["100%_off.md"]),
        ("z", []),
        ("文", ["文件.bin"]),
    ],
)
def test_a_prefix_counts_letter_by_letter(shelf: Bench, prefix: str, found: list[str]) -> None:
    assert names(shelf, FileQuery(prefix=prefix)) == found


@pytest.mark.parametrize(
    ("status", "found"), [(Status.PENDING, []), (Status.PARTIAL, NAMES[-1:]), (Status.COMPLETE, NAMES[:-1])]
)
def test_a_status_is_found(shelf: Bench, status: Status, found: list[str]) -> None:
    assert sorted(names(shelf, FileQuery(status=status))) == sorted(found)


def test_filters_together_narrow_the_list(shelf: Bench) -> None:
    assert names(shelf, FileQuery(search="TXT", prefix="b", status=Status.COMPLETE)) == ["b.txt"]


def test_both_databases_search_and_sort_alike(any_bench: Bench) -> None:
    shelf = fill(any_bench)
    assert names(shelf, FileQuery(Sort.NAME, is_ascending=True)) == sorted(NAMES, key=str.encode)
    assert sorted(names(shelf, FileQuery(search="ÄRGER"))) == ["Ärger.txt", "ärger 2.txt"]
    assert names(shelf, FileQuery(search="%_")) == names(shelf, FileQuery(prefix="100%")) == ["100%_off.md"]
    assert names(shelf, FileQuery(status=Status.PARTIAL)) == NAMES[-1:]
    for sort, is_ascending in product(Sort, [False, True]):
        assert by_pages(shelf, FileQuery(sort, is_ascending)) == names(shelf, FileQuery(sort, is_ascending))


def test_sizes_are_those_of_whole_files(shelf: Bench) -> None:
    listed = shelf.services.file_listing.list_files(shelf.account_id, FileQuery(Sort.SIZE), limit=100)
    assert listed[0].name == NAMES[-1]  # of which 3 of 9 bytes are here
    assert [file.length for file in listed] == sorted((file.length or 0 for file in listed), reverse=True)


def test_what_changed_last_comes_first(shelf: Bench) -> None:
    shelf.clock.advance(seconds=1)
    shelf.append(3, b"d", NAMES[-1])
    assert names(shelf, FileQuery(Sort.UPDATED), limit=1) == NAMES[-1:]


@pytest.mark.parametrize(("sort", "is_ascending"), list(product(Sort, [False, True])))
def test_pages_together_are_the_list_forwards_and_backwards(shelf: Bench, sort: Sort, is_ascending: bool) -> None:
    query = FileQuery(sort, is_ascending)
    found = by_pages(shelf, query)
    assert sorted(found) == sorted(NAMES)
    assert found == names(shelf, query) == names(shelf, FileQuery(sort, not is_ascending))[::-1]


def by_pages(bench: Bench, query: FileQuery) -> list[str]:
    """The names of a list, two at a time."""
    after, found = None, list[str]()
    while page := bench.services.file_listing.list_files(bench.account_id, query, limit=2, after=after):
        found += [file.name for file in page]
        after = place_of(query.sort, page[-1])
    return found


@pytest.mark.parametrize(("sort", "is_ascending"), list(product(Sort, [False, True])))
@pytest.mark.parametrize("is_first", [True, False])
def test_no_order_sorts_or_reads_all_files(bench: Bench, sort: Sort, is_ascending: bool, is_first: bool) -> None:
    last = bench.store(b"x")
    after = None if is_first else place_of(sort, last)
    steps = plan(bench, FileQuery(sort, is_ascending), after)
    assert [step for step in steps if "TEMP B-TREE" in step or "SCAN" in step] == []
    assert is_first or any("<" in step or ">" in step for step in steps if "received" not in step)


@pytest.mark.parametrize(("sort", "is_ascending"), list(product(Sort, [False, True])))
def test_unfinished_files_have_an_index_of_their_own(any_bench: Bench, sort: Sort, is_ascending: bool) -> None:
    steps = plan(any_bench, FileQuery(sort, is_ascending, status=Status.PARTIAL), None)
    assert any("ix_files_receiving" in step for step in steps)


@pytest.mark.parametrize(("sort", "is_ascending"), list(product(Sort, [False, True])))
def test_unfinished_files_come_in_order_however_many_there_are(
    any_bench: Bench, monkeypatch: pytest.MonkeyPatch, sort: Sort, is_ascending: bool
) -> None:
    query, lists = FileQuery(sort, is_ascending, status=Status.PARTIAL), list[list[str]]()
    any_bench.store(b"whole", "whole.txt")
    for number in range(5):
        any_bench.clock.advance(seconds=1)
        any_bench.append(0, b"x", f"part {number}.txt", total=10 + number)
    for few in (0, 1000):
        monkeypatch.setattr(listing, "COMMON", few)
        lists.append(by_pages(any_bench, query))
    expected = [f"part {number}.txt" for number in range(5)]
    assert lists == [expected if is_ascending else expected[::-1]] * 2


def plan(bench: Bench, query: FileQuery, after: Sequence[object] | None) -> list[str]:
    """How the database would go about it."""
    place = tuple(after) if after is not None else None
    with bench.services.database.read_rows() as rows:
        statement = bench.services.file_listing.statement(rows, bench.account_id, query, limit=10, after=place)
    return plan_of(bench.services.database, statement).splitlines()


@pytest.mark.parametrize("common", [1, 3, 1000])
@pytest.mark.parametrize(("sort", "is_ascending"), list(product(Sort, [False, True])))
def test_a_prefix_finds_the_same_however_many_have_it(
    any_bench: Bench, monkeypatch: pytest.MonkeyPatch, common: int, sort: Sort, is_ascending: bool
) -> None:
    monkeypatch.setattr(listing, "COMMON", common)
    any_bench.store(b"x", "other.txt")
    for number in range(3):
        any_bench.store(b"x" * number, f"log {number}.txt")
        any_bench.clock.advance(seconds=1)
    found = names(any_bench, FileQuery(sort, is_ascending, prefix="log "))
    assert found == [f"log {number}.txt" for number in (range(3) if is_ascending else range(2, -1, -1))]


def test_names_with_a_common_prefix_are_not_sorted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "COMMON", 0)
    steps = "\n".join(plan(bench, FileQuery(Sort.SIZE, prefix="log"), None))
    assert "ix_files_account_id_reserved_bytes_id" in steps
    assert "TEMP B-TREE" not in steps


@given(prefix=st.text(min_size=1, max_size=5), more=st.text(max_size=3))
def test_everything_with_a_prefix_is_before_its_successor(prefix: str, more: str) -> None:
    successor = _successor(prefix)
    if successor is None:
        assert set(prefix) == {chr(0x10FFFF)}
    else:
        assert (prefix + more).encode(errors="surrogatepass") < successor.encode()
        assert not successor.startswith(prefix)


@given(name=st.text(max_size=30))
def test_folding_again_changes_nothing(name: str) -> None:
    assert folded(folded(name)) == folded(name)


def test_a_numbered_and_an_overwritten_name_are_found(any_bench: Bench) -> None:
    for overwrite in (False, False, True):
        any_bench.store(b"x", "Öl.txt", overwrite=overwrite)
    assert sorted(names(any_bench, FileQuery(search="ÖL"))) == ["Öl (2).txt", "Öl.txt"]
    assert names(any_bench, FileQuery(search="(2)")) == ["Öl (2).txt"]


@pytest.mark.parametrize(
    ("large", "near"),
    [
        pytest.param(2000, 2000, id="small"),
        pytest.param(0, 2000, id="large"),
        pytest.param(0, 5, id="large-with-others-in-front"),
    ],
)
@pytest.mark.parametrize(("sort", "index"), [(Sort.SIZE, "reserved_bytes"), (Sort.UPDATED, "updated_at")])
@pytest.mark.parametrize("folder", ["", "a"])
def test_a_small_folder_is_sorted_and_to_a_near_page_of_a_large_one_the_order_is_walked(
    any_bench: Bench, monkeypatch: pytest.MonkeyPatch, folder: str, sort: Sort, index: str, large: int, near: int
) -> None:
    monkeypatch.setattr(listing, "LARGE_FOLDER", large)
    monkeypatch.setattr(listing, "NEAR", near)
    prefix = f"{folder}/" if folder else ""
    for name in [f"{prefix}{number}" for number in range(10)]:
        any_bench.store(b"x", name)
    query = FileQuery(sort, folder=folder)
    steps = "\n".join(plan(any_bench, query, None))
    assert (f"ix_files_account_id_{index}_id" in steps) == (large == 0 and near > 10)
    of_the_folder = ("ix_files_top", "files_folder_id", "uq_files_account_id_name")
    assert any(each in steps for each in of_the_folder) == (large > 0 or near < 10)
    assert by_pages(any_bench, query) == by_pages(any_bench, replace(query, is_ascending=True))[::-1]
    assert sorted(by_pages(any_bench, query)) == [f"{prefix}{number}" for number in range(10)]


@pytest.mark.parametrize("folder", ["", "a"])
@pytest.mark.parametrize(("sort", "index"), [(Sort.CREATED, "created_at"), (Sort.NAME, "name")])
def test_a_folder_has_its_files_in_order(bench: Bench, sort: Sort, index: str, folder: str) -> None:
    bench.services.folders.create(bench.account_id, "a")
    steps = "\n".join(plan(bench, FileQuery(sort, folder=folder), None))
    assert "TEMP B-TREE" not in steps
    assert index in steps or "ix_files_top" in steps


PATHS = st.lists(st.sampled_from(["a", "a-", "a0", "b", "é"]), min_size=1, max_size=4).map("/".join)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.lists(PATHS, unique=True, max_size=12), limit=st.integers(1, 5), is_ascending=st.booleans())
def test_all_names_come_in_their_order_page_by_page(
    bench: Bench, wanted: list[str], limit: int, is_ascending: bool
) -> None:
    own = bench.another_account()
    kept = []
    for name in wanted:
        with suppress(NameTaken):
            kept.append(own.store(b"x", name, overwrite=True).name)
    own.services.folders.create(own.account_id, "empty/folder")
    found: list[str] = []
    while True:
        after = (found[-1],) if found else None
        query = FileQuery(Sort.NAME, is_ascending)
        page = own.services.file_listing.list_files(own.account_id, query, limit=limit, after=after)
        found += [file.name for file in page]
        if len(page) < limit:
            break
    assert found == sorted(kept, reverse=not is_ascending)
