"""Quotas of accounts: each account's own, or the general one of the settings."""

import random
from collections.abc import Callable
from threading import Thread

import pytest

from tests.services.conftest import Bench
from transfer_service.errors import InvalidRequest, NotFound, QuotaExceeded, TransferError

GENERAL = 10


def error_of(call: Callable[[], object]) -> type[TransferError] | None:
    """The class of what a call raises."""
    try:
        call()
    except TransferError as error:
        return type(error)
    return None


@pytest.mark.parametrize("general", [None, GENERAL], ids=["no-general-quota", "general-quota"])
@pytest.mark.parametrize(
    ("own", "stored", "refused"),
    [
        pytest.param(0, None, 1, id="nothing"),
        pytest.param(4, 4, 5, id="less"),
        pytest.param(GENERAL + 5, GENERAL + 5, GENERAL + 6, id="more"),
    ],
)
def test_an_account_s_own_quota_counts(
    make_bench: Callable[..., Bench], database_url: str, general: int | None, own: int, stored: int | None, refused: int
) -> None:
    bench = make_bench(database_url=database_url, quota_bytes=general)
    bench.services.accounts.set_quota("alice", own)
    data = b"x" * refused
    for call in (
        lambda: bench.store(data),
        lambda: bench.store(data, length=refused),
        lambda: bench.store(data, is_slow=True),
        lambda: bench.store(data, length=refused, is_slow=True),
        lambda: bench.append(0, data),
    ):
        assert error_of(call) is QuotaExceeded
    assert (bench.used_bytes(), bench.rows(), bench.blobs()) == (0, 0, set())
    if stored is not None:
        assert bench.store(b"x" * stored).is_complete
        assert error_of(lambda: bench.append(0, b"y", "other")) is QuotaExceeded
    assert bench.used_bytes() == bench.reserved_bytes() == (stored or 0)


def test_a_file_of_no_bytes_needs_no_quota(bench: Bench) -> None:
    bench.services.accounts.set_quota("alice", 0)
    assert bench.store(b"").is_complete


@pytest.mark.parametrize("general", [None, GENERAL], ids=["no-general-quota", "general-quota"])
def test_without_its_own_the_general_quota_counts_again(
    make_bench: Callable[..., Bench], database_url: str, general: int | None
) -> None:
    bench = make_bench(database_url=database_url, quota_bytes=general)
    bench.services.accounts.set_quota("alice", 1)
    bench.services.accounts.set_quota("alice", None)
    assert bench.store(b"x" * GENERAL).is_complete
    assert error_of(lambda: bench.append(0, b"y", "other")) is (QuotaExceeded if general else None)


def test_the_quota_of_one_account_is_not_another_s(any_bench: Bench) -> None:
    any_bench.services.accounts.set_quota("alice", 0)
    assert any_bench.another_account().store(b"hello").is_complete
    assert error_of(lambda: any_bench.store(b"hello")) is QuotaExceeded


def test_a_quota_below_what_is_stored_deletes_nothing(any_bench: Bench) -> None:
    file = any_bench.store(b"hello")
    any_bench.append(0, b"he", "part", total=5)
    any_bench.services.accounts.set_quota("alice", 3)
    assert (any_bench.content(file), any_bench.used_bytes()) == (b"hello", 10)
    assert any_bench.append(2, b"llo", "part", total=5).is_complete  # its room was promised
    assert error_of(lambda: any_bench.store(b"x", "more")) is QuotaExceeded
    any_bench.services.files.delete(any_bench.account_id, "part")
    assert any_bench.used_bytes() == 5


def test_room_that_is_reserved_in_steps_ends_at_the_own_quota(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(quota_bytes=GENERAL)
    bench.services.accounts.set_quota("alice", 3_000_000)
    data = [b"x" * 250_000] * 12
    assert bench.store(b"".join(data), is_slow=True).is_complete  # of unknown length
    assert error_of(lambda: bench.store(b"y", "more", is_slow=True)) is QuotaExceeded
    assert bench.used_bytes() == bench.reserved_bytes() == 3_000_000


@pytest.mark.parametrize("quota", [-1, 2**63], ids=["negative", "larger-than-a-column"])
def test_a_quota_out_of_range_is_refused(bench: Bench, quota: int) -> None:
    with pytest.raises(InvalidRequest):
        bench.services.accounts.set_quota("alice", quota)
    assert bench.services.accounts.get("alice").own_quota_bytes is None


def test_an_unknown_account_gets_no_quota(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.services.accounts.set_quota("nobody", 5)


def test_a_quota_that_changes_during_uploads_is_never_passed(any_bench: Bench) -> None:
    """Whatever is stored while a quota stands fits into it, or was there before."""
    bench, accounts = any_bench, any_bench.services.accounts
    accounts.set_quota("alice", 0)
    largest, raised = 50, list[BaseException]()

    def send(number: int) -> None:
        chance = random.Random(number)
        try:
            for turn in range(15):
                try:
                    bench.store(b"x" * chance.randint(1, 10), f"{number} {turn}", length=None, is_slow=turn % 2 == 0)
                except QuotaExceeded:
                    continue
        except BaseException as error:  # noqa: BLE001 - looked at below
            raised.append(error)

    senders = [Thread(target=send, args=(number,)) for number in range(3)]
    for sender in senders:
        sender.start()
    for quota in [20, 0, 10, largest, 5, 30, 0, largest]:
        accounts.set_quota("alice", quota)
    for sender in senders:
        sender.join()
    assert raised == []
    assert 0 < bench.used_bytes() <= largest
    assert bench.used_bytes() == bench.reserved_bytes()
