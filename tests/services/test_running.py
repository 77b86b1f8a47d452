"""Requests that run, and their end when their account or their upload is gone."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.live.server import wait_until
from tests.services.conftest import Bench
from transfer_service.db.server import CONNECTIONS
from transfer_service.errors import StoreUnavailable
from transfer_service.services import running
from transfer_service.services.running import Running, RunningRequest, current_request, works_on


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "TICK_SECONDS", 0.02)


@pytest.fixture
def registry(any_bench: Bench) -> Iterator[Running]:
    made = Running(any_bench.services.database)
    yield made
    for request in list(made._requests):
        made.end(request)
    wait_until(lambda: not made._is_watching)


def ticks(count: int = 10) -> None:
    """Long enough for whoever looks to have looked some times."""
    time.sleep(count * running.TICK_SECONDS)


def begin(registry: Running, account_id: uuid.UUID) -> tuple[RunningRequest, threading.Event]:
    cut = threading.Event()
    return registry.begin(account_id, cut.set), cut


@pytest.mark.parametrize("end", ["disable", "remove"])
def test_a_request_is_cut_when_its_account_ends(any_bench: Bench, registry: Running, end: str) -> None:
    other = any_bench.another_account()
    _, cut = begin(registry, any_bench.account_id)
    _, others = begin(registry, other.account_id)
    ticks()
    assert not cut.is_set()
    services = any_bench.services
    {"disable": services.accounts.disable, "remove": services.account_removal.remove}[end]("alice")
    assert cut.wait(10)
    assert not others.is_set()


def test_one_that_is_spared_comes_to_its_answer(any_bench: Bench, registry: Running) -> None:
    request, cut = begin(registry, any_bench.account_id)
    request.is_spared = True
    any_bench.services.accounts.disable("alice")
    ticks()
    assert not cut.is_set()


def test_one_that_is_over_is_not_cut(any_bench: Bench, registry: Running) -> None:
    request, cut = begin(registry, any_bench.account_id)
    registry.end(request)
    any_bench.services.accounts.disable("alice")
    ticks()
    assert not cut.is_set()
    assert current_request() is None


def test_an_upload_that_is_cancelled_is_lost_and_no_other(any_bench: Bench, registry: Running) -> None:
    cancelled, stays = any_bench.append(0, b"x", "a", total=9), any_bench.append(0, b"x", "b", total=9)
    first, cut = begin(registry, any_bench.account_id)
    works_on(cancelled.id)
    second, _ = begin(registry, any_bench.account_id)
    works_on(stays.id)
    any_bench.services.administration.uploads.cancel(cancelled.id)
    wait_until(lambda: first.is_lost)
    assert not second.is_lost
    assert not cut.is_set()  # its client hears of it


def test_while_the_database_is_away_nobody_is_judged(
    any_bench: Bench, registry: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, cut = begin(registry, any_bench.account_id)
    database, asked = any_bench.services.database, threading.Event()

    def away() -> None:
        asked.set()
        raise StoreUnavailable

    with monkeypatch.context() as outage:
        outage.setattr(database, "read_rows", away)
        outage.setattr(database, "urgent_rows", away)
        assert asked.wait(10)
    ticks()
    assert not cut.is_set()
    any_bench.services.accounts.disable("alice")
    assert cut.wait(10)


def test_who_watches_lives_on_after_a_fault_of_the_program(
    any_bench: Bench, registry: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else would look at what runs then until the next request begins."""
    failed, look = threading.Event(), Running._look

    def fail(_self: Running) -> None:
        monkeypatch.setattr(Running, "_look", look)
        failed.set()
        raise ValueError

    monkeypatch.setattr(Running, "_look", fail)
    _, cut = begin(registry, any_bench.account_id)
    assert failed.wait(10)
    any_bench.services.accounts.disable("alice")
    assert cut.wait(10)


def test_who_watches_does_not_wait_behind_a_crowd_of_requests(any_bench: Bench, registry: Running) -> None:
    _, cut = begin(registry, any_bench.account_id)
    database = any_bench.services.database
    with ExitStack() as crowd:
        if not database.is_sqlite:  # a database in a file opens as many as are asked for
            for _ in range(2 * CONNECTIONS - 1):
                crowd.enter_context(database.read_rows())
        any_bench.services.accounts.disable("alice")
        crowd.enter_context(database.read_rows())
        assert cut.wait(10)


def test_who_watches_rests_while_nothing_runs(any_bench: Bench, registry: Running) -> None:
    request, _ = begin(registry, any_bench.account_id)
    registry.end(request)
    wait_until(lambda: not registry._is_watching)
    _, cut = begin(registry, any_bench.account_id)
    any_bench.services.accounts.disable("alice")
    assert cut.wait(10)
