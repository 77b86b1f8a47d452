"""Webhooks as administrators see them: who is told of what, a test, and what has failed (docs/webhooks.md)."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from transfer_service.db.database import Executor
from transfer_service.errors import InvalidRequest, NotFound, WebhookEnded
from transfer_service.models.webhooks import WebhookState
from transfer_service.remote.url_guard import is_spelled_inside
from transfer_service.services.accounts.rows import find_by_name
from transfer_service.services.clocks import shared_now
from transfer_service.services.core import Core
from transfer_service.services.events import audit, outbox, webhook_rows
from transfer_service.services.events.actions import Action
from transfer_service.services.events.deliveries import forget
from transfer_service.services.events.webhook_rows import FailedDelivery, WebhookRecord
from transfer_service.services.events.webhook_secrets import WebhookSecrets
from transfer_service.services.secret_keys import secrets_of
from transfer_service.wire.webhooks import Event, format_secret, host_of

FAILED_KEPT_FOR = timedelta(days=30)
"""How long what has failed can be redelivered; cleanup removes it then."""
_AT_ONCE = 500
UNKNOWN, UNKNOWN_FAILED = "Webhook not found", "Failed delivery not found"


@dataclass(frozen=True, slots=True)
class WebhookDraft:
    """What a webhook is to be: `account` is the name of the one whose things it is told of, None for all."""

    url: str
    events: tuple[Event, ...]
    account: str | None


class WebhookService:
    """Adds and removes webhooks, and tells what has become of what they were to be told."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._now = core.now
        self._secrets = WebhookSecrets(secrets_of(core.settings))
        self._allow_private = core.settings.allow_private_sources

    def add(self, draft: WebhookDraft) -> tuple[WebhookRecord, str]:
        """A new webhook, and its secret, which is not told again. Raises InvalidRequest.

        An address that is spelled out is judged now, a name whenever something is sent.
        """
        if not self._allow_private and is_spelled_inside(host_of(draft.url)):
            raise InvalidRequest("url leads to an address that is not allowed")
        webhook_id = uuid.uuid4()
        secret, sealed = self._secrets.make(webhook_id)
        at = self._now()
        with self._database.write_rows(durable=True) as rows:
            account = None if draft.account is None else find_by_name(rows, draft.account)
            if draft.account is not None and account is None:
                raise InvalidRequest("No account has this name")
            account_id, name = (None, None) if account is None else (account.id, account.name)
            record = WebhookRecord(webhook_id, draft.url, draft.events, name, WebhookState.ACTIVE, at)
            webhook_rows.add(rows, record, account_id, sealed)
            self._tell(rows, Action.WEBHOOK_CREATED, record, events=list(record.events), account=record.account)
        return record, format_secret(secret)

    def list_webhooks(self) -> list[WebhookRecord]:
        """Every webhook, the newest first."""
        with self._database.read_rows() as rows:
            return webhook_rows.find_all(rows)

    def remove(self, webhook_id: uuid.UUID) -> None:
        """Delete a webhook, and all that it was to be told. Raises NotFound."""
        with self._database.write_rows(durable=True) as rows:
            record = webhook_rows.find(rows, webhook_id)
            if record is None or not webhook_rows.remove(rows, webhook_id):
                raise NotFound(UNKNOWN)
            self._tell(rows, Action.WEBHOOK_DELETED, record)
        forget(self._database, webhook_id)

    def test(self, webhook_id: uuid.UUID) -> None:
        """Send `webhook.test`. Raises NotFound, WebhookEnded."""
        with self._database.write_rows() as rows:
            record = self._get_active(rows, webhook_id, UNKNOWN)
            outbox.publish_test(rows, webhook_id, at=self._now())
            self._tell(rows, Action.WEBHOOK_TESTED, record)

    def list_failed(self, *, limit: int, after: tuple[datetime, int] | None = None) -> list[FailedDelivery]:
        """What has failed, the latest first; behind a time and a number."""
        with self._database.read_rows() as rows:
            return webhook_rows.find_failed(rows, limit=limit, after=after)

    def redeliver(self, delivery_id: uuid.UUID) -> None:
        """Let what has failed be tried anew, with the same id and body. Raises NotFound, WebhookEnded."""
        with self._database.write_rows(durable=True) as rows:
            failed = webhook_rows.find_failed_one(rows, delivery_id)
            if failed is None:
                raise NotFound(UNKNOWN_FAILED)
            record = self._get_active(rows, failed.webhook_id, UNKNOWN_FAILED)
            if not webhook_rows.begin_again(rows, failed.number, now=shared_now(rows, self._now)):
                raise NotFound(UNKNOWN_FAILED)
            self._tell(rows, Action.WEBHOOK_REDELIVERED, record, event=failed.event, message_id=str(failed.id))

    def remove_old(self, *, dry_run: bool) -> Iterator[int]:
        """Forget what failed long ago: a sweep of the cleanup."""
        before = self._now() - FAILED_KEPT_FOR
        with self._database.read_rows() as rows:
            count = webhook_rows.count_failed(rows, before) if dry_run else 0
        yield from [0] * count
        if not dry_run:
            with self._database.write_rows() as rows:
                webhook_rows.forget_gone_accounts(rows)
        while not dry_run:
            with self._database.write_rows() as rows:
                removed = webhook_rows.remove_failed(rows, before, limit=_AT_ONCE)
            if not removed:
                return
            yield from [0] * removed

    def _get_active(self, rows: Executor, webhook_id: uuid.UUID, unknown: str) -> WebhookRecord:
        """Raises NotFound, WebhookEnded."""
        record = webhook_rows.find(rows, webhook_id)
        if record is None:
            raise NotFound(unknown)
        if record.state is not WebhookState.ACTIVE:
            raise WebhookEnded
        return record

    def _tell(self, rows: Executor, action: Action, record: WebhookRecord, **details: object) -> None:
        audit.record(rows, action, record.id, {"host": host_of(record.url), **details}, at=self._now())

    def reseal(self) -> int:
        """Seal the secrets that older keys have sealed with the present one, so that those keys can go. How many."""
        count = 0
        with self._database.write_rows(durable=True) as rows:
            for webhook_id, sealed in webhook_rows.find_sealed(rows):
                anew = self._secrets.reseal(webhook_id, sealed)
                if anew is not None and anew != sealed:
                    count += webhook_rows.replace_sealed(rows, webhook_id, anew)
        return count
