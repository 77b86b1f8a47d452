"""Webhooks as administrators see them: added, tested, removed; what has failed, and is redelivered."""

import json
import uuid

import pytest
from pydantic import SecretStr

from tests.services.conftest import plan_of
from tests.services.events.conftest import URL, Hooks
from transfer_service.errors import InvalidRequest, NotFound, WebhookEnded
from transfer_service.services.events import webhook_rows
from transfer_service.services.events.webhook_secrets import WebhookSecrets
from transfer_service.services.events.webhooks import FAILED_KEPT_FOR, WebhookDraft, WebhookService
from transfer_service.wire.webhooks import Event, format_secret


def fail(hooks: Hooks, *subjects: str) -> list[str]:
    """Events that have failed, the latest first: their ids."""
    record = hooks.add()
    for subject in subjects:
        hooks.publish(subject)
    hooks.claim(record)
    for _ in range(8):
        hooks.try_all(record, 500)
        hooks.bench.clock.advance(days=1)
    hooks.deliveries.release(record.id)
    return [str(each.id) for each in hooks.bench.services.webhooks.list_failed(limit=100)]


def test_a_test_is_sent_whatever_a_webhook_asked_for(any_hooks: Hooks) -> None:
    record = any_hooks.add(account="alice")
    any_hooks.bench.services.webhooks.test(record.id)
    (row,) = any_hooks.rows()
    body = json.loads(row.body)
    assert (row.event, body["type"], body["data"]) == ("webhook.test", "webhook.test", {"webhook_id": str(record.id)})


def test_only_active_webhooks_are_tested(any_hooks: Hooks) -> None:
    webhooks = any_hooks.bench.services.webhooks
    record = any_hooks.add()
    any_hooks.publish()
    any_hooks.claim(record)
    any_hooks.try_all(record, 410)
    with pytest.raises(WebhookEnded):
        webhooks.test(record.id)
    webhooks.remove(record.id)
    with pytest.raises(NotFound):
        webhooks.test(record.id)
    with pytest.raises(NotFound):
        webhooks.remove(record.id)


def test_a_removed_webhook_leaves_nothing(any_hooks: Hooks) -> None:
    fail(any_hooks, "f", "g")
    any_hooks.publish("h")
    (record,) = any_hooks.bench.services.webhooks.list_webhooks()
    any_hooks.bench.services.webhooks.remove(record.id)
    assert (any_hooks.rows(), any_hooks.bench.services.webhooks.list_webhooks()) == ([], [])


def test_what_has_failed_is_listed_in_pages(any_hooks: Hooks) -> None:
    every = fail(any_hooks, "f", "g", "h")
    webhooks = any_hooks.bench.services.webhooks
    first = webhooks.list_failed(limit=2)
    rest = webhooks.list_failed(limit=2, after=(first[-1].failed_at, first[-1].number))
    assert [str(each.id) for each in (*first, *rest)] == every
    assert {(each.event, each.tries, each.error) for each in first} == {("file.completed", 8, "500")}


def test_what_is_redelivered_is_the_same_message_and_tried_as_often(any_hooks: Hooks) -> None:
    fail(any_hooks, "f")
    (before,) = any_hooks.rows()
    any_hooks.bench.services.webhooks.redeliver(before.message_id)
    (after,) = any_hooks.rows()
    assert (after.message_id, after.body, after.tries, after.failed_at) == (before.message_id, before.body, 0, None)
    (record,) = any_hooks.bench.services.webhooks.list_webhooks()
    any_hooks.claim(record)
    assert [due.id for due in any_hooks.try_all(record, 200)] == [before.id]
    with pytest.raises(NotFound):
        any_hooks.bench.services.webhooks.redeliver(before.message_id)


def test_what_waits_is_not_redelivered(any_hooks: Hooks) -> None:
    any_hooks.add()
    any_hooks.publish()
    with pytest.raises(NotFound):
        any_hooks.bench.services.webhooks.redeliver(any_hooks.rows()[0].message_id)


def test_nothing_is_redelivered_to_one_that_has_ended(any_hooks: Hooks) -> None:
    record = any_hooks.add()
    any_hooks.publish()
    any_hooks.claim(record)
    any_hooks.try_all(record, 410)
    with pytest.raises(WebhookEnded):
        any_hooks.bench.services.webhooks.redeliver(any_hooks.rows()[0].message_id)


def test_cleanup_forgets_what_failed_long_ago(any_hooks: Hooks) -> None:
    fail(any_hooks, "f")
    webhooks = any_hooks.bench.services.webhooks
    any_hooks.bench.clock.advance(days=FAILED_KEPT_FOR.days - 8)
    assert list(webhooks.remove_old(dry_run=False)) == []
    any_hooks.bench.clock.advance(days=9)
    assert (list(webhooks.remove_old(dry_run=True)), len(any_hooks.rows())) == ([0], 1)
    assert (list(webhooks.remove_old(dry_run=False)), any_hooks.rows()) == ([0], [])


def test_a_webhook_goes_with_its_account(any_hooks: Hooks) -> None:
    services = any_hooks.bench.services
    any_hooks.add(account="alice")
    general = any_hooks.add()
    any_hooks.publish("failed", account_id=any_hooks.bench.account_id)
    any_hooks.publish("another's", account_id=uuid.uuid4())
    with services.database.write_rows() as rows:
        rows.exec_driver_sql("UPDATE webhook_deliveries SET due_at = NULL, failed_at = created_at, error = '500'")
    any_hooks.publish("waits", account_id=any_hooks.bench.account_id)
    services.account_removal.remove("alice")
    assert [each.id for each in services.webhooks.list_webhooks()] == [general.id]
    assert {(row.webhook_id, row.subject) for row in any_hooks.rows()} == {
        (general.id, "another's"), (general.id, "waits"),
    }  # fmt: skip
    with services.database.write_rows() as rows:
        rows.exec_driver_sql("UPDATE webhook_deliveries SET due_at = NULL, failed_at = created_at, error = '500'")
    list(services.webhooks.remove_old(dry_run=False))
    assert any_hooks.rows() == []  # neither account is there


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://10.0.0.1:8080/hook",
        "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/", "http://localhost/",
        "https://a.localhost./",
    ],
)  # fmt: skip
def test_an_inner_address_is_refused_where_it_is_spelled_out(hooks: Hooks, url: str) -> None:
    with pytest.raises(InvalidRequest):
        hooks.add(url=url)
    assert hooks.bench.services.webhooks.list_webhooks() == []


def test_an_account_that_is_not_there_is_refused(hooks: Hooks) -> None:
    with pytest.raises(InvalidRequest):
        hooks.add(account="nobody")


def test_what_has_failed_is_found_by_indexes(any_hooks: Hooks) -> None:
    database = any_hooks.bench.services.database
    statement = webhook_rows.failed_statement(limit=10, after=(any_hooks.bench.clock(), 5))
    assert "ix_webhook_deliveries_failed_at" in plan_of(database, statement)


def test_secrets_are_opened_by_the_secrets_before() -> None:
    old, new = b"o" * 32, b"n" * 32
    webhook_id = uuid.uuid4()
    secret, sealed = WebhookSecrets([old]).make(webhook_id)
    assert secret.hex() not in sealed
    assert WebhookSecrets([new, old]).open(webhook_id, sealed) == secret
    assert WebhookSecrets([new]).open(webhook_id, sealed) is None
    assert WebhookSecrets([old]).open(uuid.uuid4(), sealed) is None


def test_secrets_are_sealed_anew_when_a_key_goes(hooks: Hooks) -> None:
    core = hooks.bench.services.core
    old, new = core.settings.secret_key, SecretStr("n" * 32)
    assert old is not None
    record, text = WebhookService(core).add(WebhookDraft(URL, tuple(Event), None))
    core.settings.secret_key, core.settings.previous_secret_keys = new, [old]
    after = WebhookService(core)
    assert (after.reseal(), after.reseal()) == (1, 0)
    opened = WebhookSecrets([b"n" * 32]).open(record.id, hooks.claim(record).sealed_secret)
    assert opened is not None
    assert format_secret(opened) == text
