"""Webhooks on services of their own, and a worker's hold on them."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from tests.services.conftest import Bench
from transfer_service.models.webhooks import WebhookDelivery
from transfer_service.services.core import utc_now
from transfer_service.services.events.deliveries import Deliveries, Tried
from transfer_service.services.events.delivery_rows import Due, Receiver
from transfer_service.services.events.outbox import publish
from transfer_service.services.events.webhook_rows import WebhookRecord
from transfer_service.services.events.webhooks import WebhookDraft
from transfer_service.wire.webhooks import Event

URL = "https://hook.example/"


@dataclass
class Hooks:
    """Webhooks of a bench. `deliveries` are those of one worker, `others` those of another one."""

    bench: Bench

    def __post_init__(self) -> None:
        core = self.bench.services.core
        self.deliveries = Deliveries(core)
        self.others = Deliveries(core)

    def add(
        self, *, url: str = URL, events: tuple[Event, ...] = tuple(Event), account: str | None = None
    ) -> WebhookRecord:
        return self.bench.services.webhooks.add(WebhookDraft(url, events, account))[0]

    def publish(
        self,
        subject: str = "a",
        *,
        event: Event = Event.FILE_COMPLETED,
        account_id: uuid.UUID | None = None,
        **data: Any,
    ) -> None:
        with self.bench.services.database.write_rows() as rows:
            publish(rows, event, account_id=account_id, subject=subject, data=data, at=self.bench.clock())

    def claim(self, record: WebhookRecord) -> Receiver:
        claimed = self.deliveries.claim(record.id)
        assert claimed is not None
        return claimed

    def find_due(self, record: WebhookRecord) -> list[Due]:
        self.bench.clock.at = max(self.bench.clock(), utc_now())  # a server's clock has moved on
        return self.deliveries.find_due(record.id)

    def try_all(self, record: WebhookRecord, result: int | str) -> list[Due]:
        """What was due, which has met with that."""
        due = self.find_due(record)
        self.deliveries.record(record.id, [Tried(each, result) for each in due])
        return due

    def rows(self) -> list[Any]:
        """All that waits or has failed, in the order of the facts."""
        with self.bench.services.database.read_rows() as rows:
            return list(rows.execute(select(WebhookDelivery.__table__).order_by(WebhookDelivery.id)))

    def bodies(self, due: list[Due]) -> list[str]:
        by_id = {row.id: row.body for row in self.rows()}
        return [by_id[each.id] for each in due]


@pytest.fixture
def hooks(make_bench: Callable[..., Bench]) -> Hooks:
    """On SQLite."""
    return Hooks(make_bench())


@pytest.fixture
def any_hooks(any_bench: Bench) -> Hooks:
    """On each of both databases."""
    return Hooks(any_bench)
