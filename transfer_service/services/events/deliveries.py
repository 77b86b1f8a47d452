"""When what is tried again, and what becomes of what a try has met with (docs/webhooks.md)."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from transfer_service.db.database import Database, Executor
from transfer_service.models.webhooks import WebhookState
from transfer_service.services.clocks import shared_now
from transfer_service.services.core import Core
from transfer_service.services.events import audit, delivery_rows
from transfer_service.services.events.actions import Action
from transfer_service.services.events.delivery_rows import Due, Receiver
from transfer_service.services.events.webhook_secrets import WebhookSecrets
from transfer_service.services.secret_keys import secrets_of
from transfer_service.telemetry.traces import TRACEPARENT
from transfer_service.wire.webhooks import headers_of, host_of

LEASE = timedelta(seconds=15)
PAUSES = [timedelta(seconds=each) for each in (5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600)]
"""Between the tries of one event. After the last one it has failed."""
GONE = 410
MOST_LOOKED_AT = 200
LONGEST_OVERDUE = timedelta(days=3)
"""What a receiver that is down has kept waiting for so long, because so much came meanwhile, has failed too."""
EXPIRED, ENDED = "expired", "ended"
NO_SECRET = "secret"  # noqa: S105 - a word for what is missing
"""The word for a webhook whose secret nothing opens: it was sealed by a SECRET_KEY that is not here any more."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one try sends."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Tried:
    """What one try has met with: the status of an answer, or a word."""

    due: Due
    result: int | str

    @property
    def has_arrived(self) -> bool:
        """Whether the receiver has taken it."""
        return isinstance(self.result, int) and 200 <= self.result < 300


class WebhookLost(Exception):
    """A webhook is gone, or another runner's by now."""


class Deliveries:
    """What one runner, a process of the worker, asks and writes."""

    def __init__(self, core: Core, *, lease: timedelta = LEASE) -> None:
        self.lease = lease
        self._database = core.database
        self._secrets = WebhookSecrets(secrets_of(core.settings))
        self._now = core.now
        self._runner = uuid.uuid4()

    def find_free(self) -> list[uuid.UUID]:
        """The webhooks that something is due for, and nobody sends to."""
        with self._database.read_rows() as rows:
            return delivery_rows.find_free(rows, self._shared_now(rows))

    def claim(self, webhook_id: uuid.UUID) -> Receiver | None:
        """Take a webhook, None where another runner has it or it has ended."""
        with self._database.write_rows() as rows:
            now = self._shared_now(rows)
            return delivery_rows.claim(rows, webhook_id, self._runner, now, now + self.lease)

    def prolong(self, webhook_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        """Keep webhooks for another lease. Those that are still ours."""
        with self._database.write_rows() as rows:
            return delivery_rows.prolong(rows, webhook_ids, self._runner, self._shared_now(rows) + self.lease)

    def release(self, webhook_id: uuid.UUID) -> None:
        """Let another runner have a webhook."""
        with self._database.write_rows() as rows:
            delivery_rows.release(rows, webhook_id, self._runner)

    def find_due(self, webhook_id: uuid.UUID) -> list[Due]:
        """What may be sent to a webhook of ours now: of each subject at most one. Raises WebhookLost."""
        while True:
            with self._database.read_rows() as rows:
                now = self._shared_now(rows)
                found = delivery_rows.find_due(rows, webhook_id, now, limit=MOST_LOOKED_AT, overdue=LONGEST_OVERDUE)
            behind = [each.id for each in found if each.has_earlier]
            if behind:
                # Or they would be looked at again and again, and in the end nothing else.
                with self._database.write_rows() as rows:
                    self._hold(rows, webhook_id)
                    delivery_rows.park(rows, behind)
            if not behind or len(found) < MOST_LOOKED_AT:
                return [each for each in found if not each.has_earlier]

    def seconds_until_due(self, webhook_id: uuid.UUID) -> float | None:
        """How long nothing is to be sent to a webhook, None where nothing waits or it has ended."""
        with self._database.read_rows() as rows:
            due_at = delivery_rows.find_next_due(rows, webhook_id)
            return None if due_at is None else (due_at - self._shared_now(rows)).total_seconds()

    def compose(self, receiver: Receiver, due: Due) -> Message | str | None:
        """What to send, signed as of now; a word where it cannot be signed, None where it is gone."""
        with self._database.read_rows() as rows:
            found = delivery_rows.find_body(rows, due.id)
        secret = self._secrets.open(receiver.webhook_id, receiver.sealed_secret)
        if found is None or secret is None:
            return None if found is None else NO_SECRET
        body, traceparent = found
        headers = headers_of(due.message_id, body, secret=secret, at=self._now())
        return Message({**headers, **({TRACEPARENT: traceparent} if traceparent else {})}, body)

    def record(self, webhook_id: uuid.UUID, tried: Sequence[Tried]) -> None:
        """Write down what has become of some tries. Raises WebhookLost: then another runner makes them again."""
        with self._database.write_rows() as rows:
            self._hold(rows, webhook_id)
            now = self._shared_now(rows)
            for each in tried:
                self._record_one(rows, webhook_id, each, now)

    def tidy(self) -> None:
        """Let fail what waits for webhooks that have ended, and remove what waits for those that are gone.

        Whoever stores a file meanwhile may not have seen it yet, so it is done again and again.
        """
        last: uuid.UUID | None = uuid.UUID(int=0)
        while last is not None:
            with self._database.read_rows() as rows:
                last, state = delivery_rows.find_next_waited_for(rows, last)
            if last is not None and state is None:
                forget(self._database, last)
            elif last is not None and state is WebhookState.ENDED:
                self._dismiss(last)

    def _dismiss(self, webhook_id: uuid.UUID) -> None:
        is_more = True
        while is_more:
            with self._database.write_rows() as rows:
                is_more = delivery_rows.dismiss(rows, webhook_id, self._shared_now(rows), error=ENDED)

    def _record_one(self, rows: Executor, webhook_id: uuid.UUID, tried: Tried, now: datetime) -> None:
        due, error = tried.due, str(tried.result)
        if tried.has_arrived:
            delivery_rows.remove(rows, webhook_id, due, now=now)
        elif tried.result == GONE:
            delivery_rows.set_failed(rows, webhook_id, due, error=error, now=now)
            url = delivery_rows.end(rows, webhook_id)
            if url is not None:  # several tries at once may meet with it
                audit.record(rows, Action.WEBHOOK_ENDED, webhook_id, {"host": host_of(url)}, at=now)
        elif tried.result != EXPIRED and due.tries < len(PAUSES):
            delivery_rows.put_back(rows, due, error=error, due_at=now + PAUSES[due.tries])
        else:
            delivery_rows.set_failed(rows, webhook_id, due, error=error, now=now)

    def _hold(self, rows: Executor, webhook_id: uuid.UUID) -> None:
        if not delivery_rows.hold(rows, webhook_id, self._runner):
            raise WebhookLost

    def _shared_now(self, rows: Executor) -> datetime:
        return shared_now(rows, self._now)


def forget(database: Database, webhook_id: uuid.UUID) -> None:
    """Remove what waits for a webhook that is gone, in short transactions: there may be very many."""
    is_more = True
    while is_more:
        with database.write_rows() as rows:
            is_more = delivery_rows.forget(rows, webhook_id)
