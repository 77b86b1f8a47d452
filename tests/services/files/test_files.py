"""Finding, listing, reading and deleting an account's files."""

import uuid
from itertools import chain

import pytest

from tests.services.conftest import Bench
from transfer_service.errors import Forbidden, NotComplete, NotFound
from transfer_service.services.files.files import parse_file_id
from transfer_service.wire.ranges import Span


def test_a_file_is_found_by_name_and_by_id(any_bench: Bench) -> None:
    status, files = any_bench.store(b"hello"), any_bench.services.files
    for name in ("log.bin", str(status.id), str(status.id).upper()):
        assert files.find_by_name_or_id(any_bench.account_id, name) == status
    assert files.get_readable_by_id(any_bench.account_id, str(status.id)) == status


def test_a_name_wins_over_an_id(bench: Bench) -> None:
    first = bench.store(b"first")
    second = bench.store(b"second", str(first.id))
    assert bench.services.files.find_by_name_or_id(bench.account_id, str(first.id)) == second


def test_another_accounts_file_does_not_exist_by_name_and_is_forbidden_by_id(any_bench: Bench) -> None:
    status, other = any_bench.store(b"hello"), any_bench.another_account()
    files = any_bench.services.files
    assert files.find_by_name_or_id(other.account_id, str(status.id)) is None
    with pytest.raises(Forbidden):
        files.get_readable_by_id(other.account_id, str(status.id))
    with pytest.raises(NotFound):
        files.delete(other.account_id, "log.bin")


def test_an_unfinished_file_cannot_be_read(bench: Bench) -> None:
    status, files = bench.append(0, b"abc", total=10), bench.services.files
    with pytest.raises(NotComplete):
        files.get_readable(bench.account_id, "log.bin")
    with pytest.raises(NotComplete):
        files.get_readable_by_id(bench.account_id, str(status.id))
    with pytest.raises(NotFound, match="File not found"):
        files.get_readable_by_name_or_id(bench.account_id, "log.bin")


@pytest.mark.parametrize("value", ["", "x", "{}", "0" * 32, "urn:uuid:" + str(uuid.UUID(int=0)), "../" + "0" * 33])
def test_what_is_no_id_is_not_found(bench: Bench, value: str) -> None:
    assert parse_file_id(value) is None
    with pytest.raises(NotFound):
        bench.services.files.get_readable_by_id(bench.account_id, value)


def test_pages_cover_every_file_once_newest_first(any_bench: Bench) -> None:
    for number in range(7):
        any_bench.store(b"x", f"{number}")
        any_bench.clock.advance(seconds=number % 2)
    pages, position = list[list[str]](), None
    while not pages or len(pages[-1]) == 3:
        page = any_bench.services.file_listing.list_files(any_bench.account_id, limit=3, after=position)
        pages.append([file.name for file in page])
        position = (page[-1].created_at, page[-1].id)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(chain.from_iterable(pages)) == [f"{number}" for number in range(7)]
    assert pages[0][0] == "6"


def test_only_the_first_hundred_gaps_are_told(bench: Bench) -> None:
    for start in range(0, 240, 2):
        status = bench.append(start, b"x", total=1000)
    missing = bench.services.files.missing(status)
    assert missing == [Span(start, start + 1) for start in range(1, 200, 2)]


def test_deleting_gives_the_name_and_the_room_back(any_bench: Bench) -> None:
    any_bench.append(0, b"abc", total=10)
    any_bench.services.files.delete(any_bench.account_id, "log.bin")
    assert (any_bench.rows(), any_bench.blobs(), any_bench.used_bytes()) == (0, set(), 0)
    with pytest.raises(NotFound, match=r"File log.bin not found"):
        any_bench.services.files.delete(any_bench.account_id, "log.bin")
    assert any_bench.append(0, b"XYZ").is_complete
