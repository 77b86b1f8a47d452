"""Sending a whole file in one request."""

import hashlib
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import delete

from tests.services.conftest import Bench
from transfer_service.errors import BodyCutShort, InvalidRequest, QuotaExceeded, TooLarge, TransferError, UploadGone
from transfer_service.models.files import File, FileState

BOTH_WAYS = pytest.mark.parametrize("is_slow", [pytest.param(False, id="at-once"), pytest.param(True, id="slowly")])


@BOTH_WAYS
def test_a_file_is_named_and_whole_at_once(any_bench: Bench, is_slow: bool) -> None:
    status = any_bench.store(b"hello", "a.txt", is_slow=is_slow)
    assert (status.name, status.is_complete, status.length) == ("a.txt", True, 5)
    assert status.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert any_bench.find("a.txt") == status


def test_an_empty_file_is_a_file(bench: Bench) -> None:
    status = bench.store(b"", length=0)
    assert (status.is_complete, status.sha256) == (True, hashlib.sha256(b"").hexdigest())
    assert bench.content(status) == b""


@BOTH_WAYS
def test_taken_names_are_numbered_in_turn(any_bench: Bench, is_slow: bool) -> None:
    names = [any_bench.store(b"x", "photo.jpg", is_slow=is_slow).name for _ in range(12)]
    assert names == ["photo.jpg", *(f"photo ({number}).jpg" for number in range(2, 13))]
    assert any_bench.names() == sorted(names)


def test_a_long_name_is_numbered_within_its_limit(bench: Bench) -> None:
    first, second = (bench.store(b"x", "é" * 127).name for _ in range(2))
    assert (first, second) == ("é" * 127, "é" * 125 + " (2)")


def test_the_names_of_two_accounts_do_not_meet(bench: Bench) -> None:
    bench.store(b"one")
    other = bench.another_account()
    assert other.store(b"other").name == "log.bin"
    assert bench.names() == other.names() == ["log.bin"]


def test_an_unfinished_upload_holds_its_name_too(bench: Bench) -> None:
    bench.append(0, b"abc", total=10)
    assert bench.store(b"whole").name == "log (2).bin"
    assert bench.names() == ["log (2).bin", "log.bin"]


@BOTH_WAYS
def test_overwriting_replaces_the_file_and_frees_its_bytes(any_bench: Bench, is_slow: bool) -> None:
    old = any_bench.store(b"old bytes")
    with closing(any_bench.services.store.open_reader(old.id)) as reader:
        new = any_bench.store(b"new", overwrite=True, is_slow=is_slow)
        assert reader.read(0, 99) == b"old bytes"
    assert (any_bench.names(), any_bench.blobs()) == (["log.bin"], {new.id})
    assert any_bench.used_bytes() == any_bench.reserved_bytes() == 3


def test_overwriting_what_is_not_there_stores_it(bench: Bench) -> None:
    assert bench.store(b"new", overwrite=True).name == "log.bin"


def test_the_old_file_is_there_until_the_new_one_is_whole(bench: Bench) -> None:
    old = bench.store(b"old bytes")
    seen: list[Any] = []
    bench.store(b"new", overwrite=True, before_the_end=lambda: seen.append(bench.find()))
    assert seen == [old]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param({"data": b"half", "failure": BodyCutShort()}, BodyCutShort, id="cut-short"),
        pytest.param({"data": b"hello", "digests": [bytes(32)]}, InvalidRequest, id="wrong-digest"),
        pytest.param(
            {"data": b"hello", "digests": [hashlib.sha256(b"hello").digest(), bytes(32)]},
            InvalidRequest,
            id="one-of-two-digests-wrong",
        ),
        pytest.param({"data": bytes(101), "length": 101}, TooLarge, id="announced-too-large"),
        pytest.param({"data": bytes(101)}, TooLarge, id="too-large"),
        pytest.param({"data": bytes(90), "length": 90}, QuotaExceeded, id="announced-over-quota"),
        pytest.param({"data": bytes(90)}, QuotaExceeded, id="over-quota"),
    ],
)
@BOTH_WAYS
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_refused_file_leaves_no_trace(
    make_bench: Callable[..., Bench],
    arguments: dict[str, Any],
    error: type[TransferError],
    overwrite: bool,
    is_slow: bool,
) -> None:
    bench = make_bench(max_file_bytes=100, quota_bytes=80)
    old = bench.store(b"old")
    with pytest.raises(error):
        bench.store(**arguments, overwrite=overwrite, is_slow=is_slow)
    assert (bench.find(), bench.rows(), bench.blobs()) == (old, 1, {old.id})
    assert bench.used_bytes() == 3


def test_a_right_digest_is_accepted(bench: Bench) -> None:
    status = bench.store(b"hello", digests=[hashlib.sha256(b"hello").digest()])
    assert status.is_complete


def test_room_is_reserved_while_the_body_arrives(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(quota_bytes=10)
    refusals: list[type[TransferError]] = []

    def compete() -> None:
        with pytest.raises(QuotaExceeded) as refusal:
            bench.store(b"12345", "other")
        refusals.append(refusal.type)

    bench.store(b"123456", length=6, before_the_end=compete)
    assert (refusals, bench.used_bytes()) == ([QuotaExceeded], 6)


def test_a_file_on_its_way_is_invisible(bench: Bench) -> None:
    seen: list[Any] = []
    bench.store(b"x" * 10, length=10, before_the_end=lambda: seen.append((bench.find(), bench.names())))
    assert seen == [(None, [])]


def test_a_file_whose_row_is_cleaned_away_meanwhile_leaves_no_blob(bench: Bench) -> None:
    def lose_the_row() -> None:
        with bench.services.database.write() as session:
            session.execute(delete(File).where(File.state == FileState.RECEIVING))

    with pytest.raises(UploadGone):
        bench.store(b"x", before_the_end=lose_the_row)
    assert (bench.rows(), bench.blobs()) == (0, set())
