"""What becomes of an event: sent in order, tried again, failed, or taken over by another worker."""

from datetime import timedelta

import pytest

from tests.services.conftest import plan_of
from tests.services.events.conftest import Hooks
from transfer_service.services.events import delivery_rows
from transfer_service.services.events.actions import Action
from transfer_service.services.events.activities import ActivityFilter
from transfer_service.services.events.deliveries import LEASE, PAUSES, Message, Tried, WebhookLost
from transfer_service.services.events.webhook_secrets import WebhookSecrets

PROMISED_SECONDS = [5, 30, 2 * 60, 10 * 60, 3600, 6 * 3600, 24 * 3600]


def test_what_has_arrived_is_gone(any_hooks: Hooks) -> None:
    record = any_hooks.add()
    any_hooks.publish()
    any_hooks.claim(record)
    any_hooks.try_all(record, 200)
    assert any_hooks.rows() == []


def test_of_one_subject_one_event_at_a_time(any_hooks: Hooks) -> None:
    record = any_hooks.add()
    for number in range(3):
        any_hooks.publish("f", number=number)
    any_hooks.publish("g", number=9)
    any_hooks.claim(record)
    rounds = []
    for _ in range(4):
        bodies = any_hooks.bodies(any_hooks.find_due(record))
        rounds.append(sorted(body.split(":")[-1].rstrip("}") for body in bodies))
        any_hooks.try_all(record, 204)
    assert rounds == [["0", "9"], ["1"], ["2"], []]


def test_later_events_wait_until_an_earlier_one_has_arrived(any_hooks: Hooks) -> None:
    record = any_hooks.add()
    any_hooks.publish("f")
    any_hooks.publish("f")
    first, second = any_hooks.rows()
    any_hooks.claim(record)
    assert [due.id for due in any_hooks.try_all(record, 500)] == [first.id]
    assert any_hooks.find_due(record) == []
    any_hooks.bench.clock.advance(seconds=PROMISED_SECONDS[0])
    assert [due.id for due in any_hooks.try_all(record, 200)] == [first.id]
    assert [due.id for due in any_hooks.try_all(record, 200)] == [second.id]


def test_tries_come_after_the_promised_pauses_and_end(any_hooks: Hooks) -> None:
    assert [pause.total_seconds() for pause in PAUSES] == PROMISED_SECONDS
    record = any_hooks.add()
    any_hooks.publish("f")
    any_hooks.publish("f")
    failing, following = any_hooks.rows()
    any_hooks.claim(record)
    for number, seconds in enumerate(PROMISED_SECONDS, start=1):
        assert [due.tries for due in any_hooks.try_all(record, "timeout")] == [number - 1]
        any_hooks.bench.clock.advance(seconds=seconds - 1)
        assert any_hooks.find_due(record) == []
        any_hooks.bench.clock.advance(seconds=1)
    any_hooks.try_all(record, 503)
    kept = any_hooks.rows()[0]
    assert (kept.id, kept.tries, kept.error, kept.due_at) == (failing.id, 8, "503", None)
    assert kept.failed_at is not None
    assert (kept.message_id, kept.body) == (failing.message_id, failing.body)
    assert [due.id for due in any_hooks.find_due(record)] == [following.id]  # nobody waits for what has failed


@pytest.mark.parametrize("status", [100, 199, 300, 302, 400, 404, 500, 599])
def test_whatever_is_no_success_is_a_failure(hooks: Hooks, status: int) -> None:
    record = hooks.add()
    hooks.publish()
    hooks.claim(record)
    hooks.try_all(record, status)
    assert [(row.tries, row.error) for row in hooks.rows()] == [(1, str(status))]


def test_410_ends_a_webhook_and_all_that_it_was_to_be_told(any_hooks: Hooks) -> None:
    record = any_hooks.add()
    any_hooks.publish("f")
    any_hooks.publish("f")
    any_hooks.claim(record)
    any_hooks.try_all(record, 410)
    any_hooks.deliveries.tidy()
    assert [row.error for row in any_hooks.rows()] == ["410", "ended"]
    assert all(row.failed_at for row in any_hooks.rows())
    assert [each.state for each in any_hooks.bench.services.webhooks.list_webhooks()] == ["ended"]
    any_hooks.deliveries.release(record.id)
    assert (any_hooks.deliveries.find_free(), any_hooks.deliveries.claim(record.id)) == ([], None)


def test_nothing_is_sent_after_410_whatever_else_was_due(any_hooks: Hooks) -> None:
    """Also not by the runner that has heard it, and other answers that were under way count."""
    record = any_hooks.add()
    for subject in ("f", "f", "g", "g", "h"):
        any_hooks.publish(subject)
    any_hooks.claim(record)
    (ended, arrived, failed) = any_hooks.find_due(record)
    any_hooks.deliveries.record(record.id, [Tried(ended, 410), Tried(arrived, 200)])
    assert any_hooks.find_due(record) == []
    assert any_hooks.deliveries.seconds_until_due(record.id) is None
    any_hooks.deliveries.record(record.id, [Tried(failed, "timeout")])
    any_hooks.deliveries.tidy()
    assert [row.error for row in any_hooks.rows()] == ["410", "ended", "ended", "ended"]


def test_a_webhook_ends_once_however_many_tries_hear_of_it(any_hooks: Hooks) -> None:
    record = any_hooks.add()
    for subject in ("f", "g", "h"):
        any_hooks.publish(subject)
    any_hooks.claim(record)
    assert len(any_hooks.try_all(record, 410)) == 3
    assert [row.error for row in any_hooks.rows()] == ["410", "410", "410"]
    told = any_hooks.bench.services.activities.list_page(1, 10, ActivityFilter(action=Action.WEBHOOK_ENDED))
    assert told.total == 1


def test_every_try_is_the_same_message_signed_anew(any_hooks: Hooks) -> None:
    record = any_hooks.add()
    any_hooks.publish("f")
    receiver = any_hooks.claim(record)
    (due,) = any_hooks.find_due(record)
    first = any_hooks.deliveries.compose(receiver, due)
    any_hooks.bench.clock.advance(seconds=77)
    second = any_hooks.deliveries.compose(receiver, due)
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert (first.body, first.headers["webhook-id"]) == (second.body, str(due.message_id))
    assert int(second.headers["webhook-timestamp"]) == int(first.headers["webhook-timestamp"]) + 77
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_one_worker_at_a_time_sends_to_a_webhook(any_hooks: Hooks) -> None:
    record = any_hooks.add()
    any_hooks.publish()
    any_hooks.find_due(record)  # until then
    assert any_hooks.deliveries.find_free() == [record.id]
    any_hooks.claim(record)
    assert (any_hooks.others.find_free(), any_hooks.others.claim(record.id)) == ([], None)
    any_hooks.deliveries.release(record.id)
    assert any_hooks.others.find_free() == [record.id]


def test_what_a_killed_worker_has_is_taken_over(any_hooks: Hooks) -> None:
    record = any_hooks.add()
    any_hooks.publish()
    any_hooks.claim(record)
    any_hooks.bench.clock.advance(seconds=LEASE.total_seconds() / 2)
    assert any_hooks.deliveries.prolong([record.id]) == {record.id}
    any_hooks.bench.clock.advance(seconds=LEASE.total_seconds() - 1)
    assert any_hooks.others.claim(record.id) is None
    any_hooks.bench.clock.advance(seconds=2)
    assert any_hooks.others.claim(record.id) is not None
    assert any_hooks.deliveries.prolong([record.id]) == set()


def test_who_has_lost_a_webhook_changes_nothing(any_hooks: Hooks) -> None:
    record = any_hooks.add()
    any_hooks.publish("f")
    any_hooks.publish("f")
    any_hooks.claim(record)
    (due,) = any_hooks.find_due(record)
    any_hooks.bench.clock.advance(seconds=LEASE.total_seconds() + 1)
    assert any_hooks.others.claim(record.id) is not None
    before = any_hooks.rows()
    with pytest.raises(WebhookLost):
        any_hooks.deliveries.record(record.id, [Tried(due, 200)])
    any_hooks.deliveries.release(record.id)
    assert any_hooks.rows() == before
    assert any_hooks.others.claim(record.id) is None  # it is held, and was not given away


def test_a_webhook_that_is_removed_meanwhile_is_lost(any_hooks: Hooks) -> None:
    record = any_hooks.add()
    any_hooks.publish()
    any_hooks.claim(record)
    (due,) = any_hooks.find_due(record)
    any_hooks.bench.services.webhooks.remove(record.id)
    with pytest.raises(WebhookLost):
        any_hooks.deliveries.record(record.id, [Tried(due, 200)])
    assert any_hooks.rows() == []


def test_what_was_written_while_a_webhook_went_is_removed(any_hooks: Hooks) -> None:
    """Whoever stores a file may have seen a webhook that is gone when he is done."""
    kept, gone = any_hooks.add(), any_hooks.add()
    any_hooks.publish()
    with any_hooks.bench.services.database.write_rows() as rows:
        rows.exec_driver_sql(f"DELETE FROM webhooks WHERE url = '{gone.url}' AND id = {_quoted(any_hooks, gone.id)}")
    any_hooks.deliveries.tidy()
    assert [row.webhook_id for row in any_hooks.rows()] == [kept.id]


def _quoted(hooks: Hooks, value: object) -> str:
    return f"'{value}'".replace("-", "") if hooks.bench.services.database.is_sqlite else f"'{value}'"


def test_many_events_of_one_subject_cost_no_more_with_every_look(any_hooks: Hooks) -> None:
    """A conversation whose receiver is down: what waits behind the first one is set aside, once."""
    record = any_hooks.add()
    for _ in range(450):
        any_hooks.publish("f")
    any_hooks.publish("g")
    any_hooks.claim(record)
    assert sorted(due.subject for due in any_hooks.find_due(record)) == ["f", "g"]
    assert len([row for row in any_hooks.rows() if row.due_at is not None]) == 2


def test_what_waits_is_found_by_indexes(any_hooks: Hooks) -> None:
    database = any_hooks.bench.services.database
    for prepared, index in (
        (delivery_rows._DUE, "ix_webhook_deliveries_due"),
        (delivery_rows._DUE, "ix_webhook_deliveries_subject"),
        (delivery_rows._NEXT_DUE, "ix_webhook_deliveries_due"),
        (delivery_rows._NEXT_OF_SUBJECT, "ix_webhook_deliveries_subject"),
        (delivery_rows._WAITED_FOR, "ix_webhook_deliveries_subject"),
        (delivery_rows._FREE, "ix_webhook_deliveries_due"),
    ):
        plan = plan_of(database, prepared._statement)
        assert index in plan, plan
        assert "SCAN webhook_deliveries" not in plan.replace("SCAN webhook_deliveries USING", "")


def test_a_secret_of_another_key_is_told_apart(hooks: Hooks) -> None:
    record = hooks.add()
    hooks.publish()
    receiver = hooks.claim(record)
    (due,) = hooks.find_due(record)
    hooks.deliveries._secrets = WebhookSecrets([b"another key" * 4])
    assert hooks.deliveries.compose(receiver, due) == "secret"


def test_leases_are_longer_than_a_try() -> None:
    assert timedelta(seconds=15) <= LEASE
