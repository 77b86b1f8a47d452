"""Keys of requests that may come again: who has one, for how long, and what becomes of it."""

import threading
import time
from collections.abc import Callable

import pytest

from tests.services.conftest import Bench
from transfer_service.errors import KeyInUse
from transfer_service.services import idempotency
from transfer_service.services.idempotency import KEPT, LEASE, Answer, HeldKey, IdempotencyKeys

ANSWER = Answer("f" * 64, 201, '{"a": "家"}\n', "/there")
KEY = "a key"


def take(bench: Bench, keys: IdempotencyKeys | None = None) -> HeldKey:
    found = (keys or bench.services.idempotency_keys).begin(bench.account_id, KEY)
    assert isinstance(found, HeldKey)
    return found


def answer(bench: Bench, held: HeldKey) -> None:
    with bench.services.database.write_rows() as rows:
        held.record(rows, ANSWER)
    held.end()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_answer_comes_again_in_every_process(any_bench: Bench) -> None:
    answer(any_bench, take(any_bench))
    other = IdempotencyKeys(any_bench.services.core)
    assert [keys.begin(any_bench.account_id, KEY) for keys in (any_bench.services.idempotency_keys, other)] == [
        ANSWER
    ] * 2


def test_one_at_a_time_has_a_key_and_whoever_failed_gives_it_back(any_bench: Bench) -> None:
    held = take(any_bench)
    with pytest.raises(KeyInUse):
        take(any_bench)
    held.release()
    take(any_bench).release()


def test_what_is_rolled_back_was_not_answered(any_bench: Bench) -> None:
    held = take(any_bench)
    with pytest.raises(ZeroDivisionError), any_bench.services.database.write_rows() as rows:
        held.record(rows, ANSWER)
        raise ZeroDivisionError
    held.release()
    answer(any_bench, take(any_bench))


def test_an_answer_that_was_committed_is_not_given_back(any_bench: Bench) -> None:
    """The commit has told a failure, and was done all the same."""
    held = take(any_bench)
    with any_bench.services.database.write_rows() as rows:
        held.record(rows, ANSWER)
    held.release()
    assert any_bench.services.idempotency_keys.begin(any_bench.account_id, KEY) == ANSWER


def test_a_lease_that_has_run_out_is_anothers_and_the_first_one_does_nothing_any_more(any_bench: Bench) -> None:
    held = take(any_bench)
    any_bench.clock.advance(seconds=LEASE.total_seconds() + 0.001)
    second = take(any_bench)
    with pytest.raises(KeyInUse), any_bench.services.database.write_rows() as rows:
        held.record(rows, ANSWER)
    held.release()
    with pytest.raises(KeyInUse):
        take(any_bench)
    answer(any_bench, second)


def test_who_lives_keeps_his_key_and_hears_that_he_is_asked_for(
    any_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "RENEW_SECONDS", 0.01)
    held = take(any_bench)
    with pytest.raises(KeyInUse):
        take(any_bench)
    wait_until(lambda: held.is_wanted)
    keys = any_bench.services.idempotency_keys
    renew, renewals = keys._renew, []

    def renew_and_count(each: HeldKey) -> None:
        renew(each)
        renewals.append(each)

    monkeypatch.setattr(keys, "_renew", renew_and_count)
    for _ in range(3):  # each time nearly to the end of the lease
        any_bench.clock.advance(seconds=LEASE.total_seconds() * 0.9)
        count = len(renewals)
        wait_until(lambda count=count: len(renewals) > count + 1)  # type: ignore[misc] # of which one began behind it
        with pytest.raises(KeyInUse):
            take(any_bench)
    answer(any_bench, held)


def test_nothing_runs_when_nobody_has_a_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "RENEW_SECONDS", 0.01)
    before = threading.active_count()
    answer(bench, take(bench))
    wait_until(lambda: threading.active_count() <= before)


def test_cleanup_takes_what_is_spent_and_nothing_else(any_bench: Bench) -> None:
    keys = any_bench.services.idempotency_keys
    answer(any_bench, take(any_bench))
    killed = keys.begin(any_bench.account_id, "killed")
    assert list(keys.remove_spent(dry_run=False)) == []
    any_bench.clock.advance(seconds=KEPT.total_seconds() - 1)
    assert list(keys.remove_spent(dry_run=False)) == []
    late = keys.begin(any_bench.account_id, "late")
    any_bench.clock.advance(seconds=LEASE.total_seconds() + 2)
    assert list(keys.remove_spent(dry_run=True)) == [0, 0]
    assert list(keys.remove_spent(dry_run=False)) == [0, 0]
    assert list(keys.remove_spent(dry_run=False)) == []
    for each in (killed, late):
        assert isinstance(each, HeldKey)
        each.end()


def test_keys_are_compared_letter_by_letter(any_bench: Bench) -> None:
    keys = any_bench.services.idempotency_keys
    held = [keys.begin(any_bench.account_id, key) for key in ("a", "A", "a%", "a_", "a'--")]
    for each in held:
        assert isinstance(each, HeldKey)
        each.release()
