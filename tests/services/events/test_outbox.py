"""What webhooks are to be told is written with what it tells of."""

import json
import uuid

import pytest

from tests.services.events.conftest import Hooks
from transfer_service.services.events.outbox import publish
from transfer_service.wire.instants import format_instant
from transfer_service.wire.webhooks import Event


def test_nothing_is_written_where_nobody_listens(any_hooks: Hooks) -> None:
    any_hooks.publish()
    assert any_hooks.rows() == []


def test_every_webhook_gets_an_event_of_its_own(any_hooks: Hooks) -> None:
    ids = {any_hooks.add().id for _ in range(2)}
    any_hooks.publish("f", filename="a.bin")
    first, second = any_hooks.rows()
    assert {first.webhook_id, second.webhook_id} == ids
    assert first.message_id != second.message_id
    assert (first.tries, first.error, first.failed_at, first.body) == (0, None, None, second.body)


def test_the_body_says_what_happened_and_when(any_hooks: Hooks) -> None:
    any_hooks.add()
    at = any_hooks.bench.clock()
    any_hooks.publish(filename="Zeugnis “ä”.pdf", size=3)
    (row,) = any_hooks.rows()
    assert json.loads(row.body) == {
        "type": "file.completed", "timestamp": format_instant(at), "data": {"filename": "Zeugnis “ä”.pdf", "size": 3},
    }  # fmt: skip
    assert list(json.loads(row.body)) == ["type", "timestamp", "data"]


@pytest.mark.parametrize("event", list(Event))
def test_a_webhook_is_told_of_what_it_asked_for_only(any_hooks: Hooks, event: Event) -> None:
    any_hooks.add(events=(event,))
    for each in Event:
        any_hooks.publish(event=each)
    assert [row.event for row in any_hooks.rows()] == [event]


def test_a_webhook_of_an_account_is_told_of_its_things_only(any_hooks: Hooks) -> None:
    any_hooks.add(account="alice")
    any_hooks.publish("own", account_id=any_hooks.bench.account_id)
    any_hooks.publish("another's", account_id=uuid.uuid4())
    any_hooks.publish("nobody's", account_id=None)
    assert [row.subject for row in any_hooks.rows()] == ["own"]


def test_what_is_undone_is_not_told(any_hooks: Hooks) -> None:
    any_hooks.add()
    database = any_hooks.bench.services.database
    with pytest.raises(ZeroDivisionError), database.write_rows() as rows:
        publish(rows, Event.FILE_DELETED, account_id=None, subject="a", data={}, at=any_hooks.bench.clock())
        raise ZeroDivisionError
    assert any_hooks.rows() == []


def test_a_session_publishes_too(any_hooks: Hooks) -> None:
    any_hooks.add()
    with any_hooks.bench.services.database.write() as session:
        publish(session, Event.FILE_DELETED, account_id=None, subject="a", data={}, at=any_hooks.bench.clock())
    assert [row.event for row in any_hooks.rows()] == ["file.deleted"]


def test_one_that_has_ended_is_told_nothing_more(any_hooks: Hooks) -> None:
    record = any_hooks.add()
    any_hooks.publish()
    any_hooks.claim(record)
    any_hooks.try_all(record, 410)
    any_hooks.publish()
    assert [row.error for row in any_hooks.rows()] == ["410"]
