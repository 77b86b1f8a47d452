"""Recording what accounts did, and reading it."""

from typing import Any

import pytest

from tests.services.conftest import Bench
from transfer_service.services.events.actions import Action
from transfer_service.services.events.activities import ActivityRecord
from transfer_service.services.events.actors import Actor
from transfer_service.services.events.audit import record

ALICE = Actor(None, "alice", "192.0.2.1")
DETAILS = {"gameDataId": 12345, "gameTitle": "Pong 家", "sources": ["a", "b"], "error": None}


def add(bench: Bench, resource_id: str = "pong", **changes: Any) -> None:
    """Record an activity."""
    fields: dict[str, Any] = {
        "action": Action.DOWNLOAD_STARTED,
        "resource_id": resource_id,
        "details": DETAILS,
        "actor": ALICE,
        "at": bench.clock(),
        **changes,
    }
    with bench.services.database.write() as session:
        record(session, **fields)


def page(bench: Bench, number: int = 1, limit: int = 50) -> list[str]:
    """The resources of a page."""
    return [row.resource_id for row in bench.services.activities.list_page(number, limit).rows]


def test_an_activity_is_read_as_it_was_recorded(any_bench: Bench) -> None:
    add(any_bench, action=Action.DOWNLOAD_FAILED, actor=Actor(None, "alice", None))
    found = any_bench.services.activities.list_page(1, 50)
    assert found.total == 1
    assert found.rows == (
        ActivityRecord(
            activity_id=found.rows[0].activity_id,
            username="alice",
            action="download.failed",
            resource="games",
            resource_id="pong",
            details=DETAILS,
            ip_address=None,
            created_at=any_bench.clock(),
        ),
    )


def test_what_is_recorded_in_a_transaction_that_fails_does_not_stay(any_bench: Bench) -> None:
    add(any_bench, "kept")

    def fail() -> None:
        with any_bench.services.database.write() as session:
            record(session, Action.DOWNLOAD_STARTED, "lost", {}, at=any_bench.clock())
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert page(any_bench) == ["kept"]


def test_the_newest_is_first_by_what_its_clock_said(any_bench: Bench) -> None:
    for name in ("last", "second", "first"):
        add(any_bench, name)
        any_bench.clock.advance(hours=-1)
    assert page(any_bench) == ["last", "second", "first"]


def test_of_the_same_instant_the_later_one_is_first(any_bench: Bench) -> None:
    for name in ("first", "second", "third"):
        add(any_bench, name)
    assert page(any_bench) == ["third", "second", "first"]


@pytest.mark.parametrize(
    ("number", "limit", "expected"),
    [
        pytest.param(1, 2, ["4", "3"], id="first"),
        pytest.param(2, 2, ["2", "1"], id="second"),
        pytest.param(3, 2, ["0"], id="last-and-not-full"),
        pytest.param(4, 2, [], id="past-the-end"),
        pytest.param(1, 5, ["4", "3", "2", "1", "0"], id="exactly-all"),
        pytest.param(2, 5, [], id="after-exactly-all"),
        pytest.param(10**39, 200, [], id="past-every-integer-of-a-database"),
    ],
)
def test_pages(bench: Bench, number: int, limit: int, expected: list[str]) -> None:
    for name in range(5):
        add(bench, str(name))
    assert page(bench, number, limit) == expected
    assert bench.services.activities.list_page(number, limit).total == 5


def test_before_anything_happened_there_is_an_empty_page(any_bench: Bench) -> None:
    found = any_bench.services.activities.list_page(1, 50)
    assert (found.rows, found.total) == ((), 0)
