"""Files that arrive whole: one transaction, and nothing left where it fails."""

import hashlib
from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import delete, text
from sqlalchemy.exc import IntegrityError

from tests.services.conftest import Bench
from transfer_service.errors import AccountGone, QuotaExceeded, RangeConflict
from transfer_service.models.accounts import Account
from transfer_service.services.files.small_files import SMALL_BYTES


def test_a_first_chunk_that_is_the_whole_file_is_told_like_any_other(any_bench: Bench) -> None:
    status = any_bench.append(0, b"hello", total=5)
    assert (status.is_complete, status.length, status.next_expected, status.length_declared) == (True, 5, 5, True)
    assert status.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert any_bench.find() == status


def test_a_guessed_whole_goes_on_growing(bench: Bench) -> None:
    assert bench.append(0, b"hello").is_complete
    assert not bench.append(0, b"hello").length_declared
    status = bench.append(5, b", you", total=10)
    assert (status.is_complete, bench.content(status)) == (True, b"hello, you")


def test_more_than_is_small_arrives_as_before(bench: Bench) -> None:
    data = bytes(SMALL_BYTES + 1)
    for status in (bench.store(data, "whole"), bench.append(0, data, "chunk", total=len(data))):
        assert (status.sha256, bench.content(status)) == (hashlib.sha256(data).hexdigest(), data)


@pytest.mark.parametrize(("data", "is_same"), [(b"hello", True), (b"other", False)])
def test_of_two_first_chunks_at_once_one_makes_the_file(any_bench: Bench, data: bytes, is_same: bool) -> None:
    def be_second() -> None:
        any_bench.append(0, data, total=5, before_the_end=lambda: any_bench.append(0, b"hello", total=5))

    if is_same:
        be_second()
    else:
        with pytest.raises(RangeConflict):
            be_second()
    status = any_bench.find()
    assert status is not None
    assert (any_bench.content(status), any_bench.blobs(), any_bench.used_bytes()) == (b"hello", {status.id}, 5)


def test_a_name_that_is_taken_meanwhile_is_numbered(any_bench: Bench) -> None:
    any_bench.append(0, b"abc", total=10)
    assert any_bench.store(b"whole").name == "log (2).bin"


@pytest.mark.parametrize("quota_bytes", [None, 100])
def test_an_account_that_is_gone_leaves_no_bytes(make_bench: Callable[..., Bench], quota_bytes: int | None) -> None:
    bench = make_bench(quota_bytes=quota_bytes)
    other = bench.another_account()
    with bench.services.database.write() as session:
        session.execute(delete(Account).where(Account.id == other.account_id))
    with pytest.raises(AccountGone):
        other.store(b"hello")
    with pytest.raises(AccountGone):
        other.append(0, b"hello", total=5)
    assert (bench.rows(), bench.blobs()) == (0, set())


def test_a_quota_holds_where_two_come_at_once(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(quota_bytes=8)
    with pytest.raises(QuotaExceeded):
        bench.append(0, b"12345", "late", total=5, before_the_end=lambda: bench.store(b"hello"))
    assert (bench.names(), bench.used_bytes(), len(bench.blobs())) == (["log.bin"], 5, 1)


@pytest.mark.parametrize("is_chunk", [False, True])
def test_a_database_that_fails_on_the_way_leaves_nothing(bench: Bench, is_chunk: bool) -> None:
    store = partial(bench.append, 0, b"hello", total=5) if is_chunk else partial(bench.store, b"hello")
    with bench.services.database.write() as session:
        session.execute(
            text("CREATE TRIGGER fault BEFORE INSERT ON received_ranges BEGIN SELECT RAISE(ABORT, ''); END")
        )
    with pytest.raises(IntegrityError):
        store()
    assert (bench.rows(), bench.blobs(), bench.used_bytes()) == (0, set(), 0)
    with bench.services.database.write() as session:
        session.execute(text("DROP TRIGGER fault"))
    assert store().is_complete
