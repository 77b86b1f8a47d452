"""Exactly one row for each change that is acknowledged, and none for what was undone: random histories with faults.

A fault comes at the end of a transaction: before its commit, which is then undone; behind it, so that nobody hears of
it; or the database takes this transaction for the victim of a deadlock, and it is run again.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask, request
from sqlalchemy import Connection

from tests.services.events import ledger
from tests.web.events.histories import History
from transfer_service.bootstrap import Services
from transfer_service.errors import StoreUnavailable, TransactionLost
from transfer_service.web.audited import READING_ROUTES, ROUTES
from transfer_service.web.context import EXTENSION

pytestmark = pytest.mark.long

STEPS = 70
RACERS = 3
FAULTS = ["before", "behind", "victim"]


class Faults:
    """Breaks some transactions of a database, at their end."""

    def __init__(self, services: Services, chance: random.Random) -> None:
        self._chance = chance
        self._begin = services.database.write_rows
        self.share = 0.0
        self.count = 0
        services.database.write_rows = self.write_rows  # type: ignore[method-assign]

    @contextmanager
    def write_rows(self, **arguments: Any) -> Iterator[Connection]:
        """A transaction that may come to nothing, or seem so."""
        fault = self._chance.choice(FAULTS) if self._chance.random() < self.share else None
        self.count += fault is not None
        with self._begin(**arguments) as rows:
            yield rows
            if fault == "before":
                raise StoreUnavailable
            if fault == "victim":
                raise TransactionLost
        if fault == "behind":
            raise StoreUnavailable


def allowed(endpoints: Iterable[str]) -> set[str]:
    """What requests to these may leave, by `web/audited.py`."""
    told = [{**ROUTES, **READING_ROUTES}.get(each, "") for each in endpoints]
    return {action.value for actions in told if not isinstance(actions, str) for action in actions}


@pytest.mark.parametrize("seed", range(2))
def test_the_log_is_what_was_acknowledged(seed: int, make_app: Callable[..., Flask], database_url: str) -> None:
    app = make_app(database_url=database_url, trash_days=30 * seed)
    asked: list[str] = []
    app.before_request(lambda: asked.append(request.endpoint or ""))
    services: Services = app.extensions[EXTENSION]
    chance = random.Random(seed)
    history, faults = History(app, chance), Faults(services, chance)
    acknowledged = 0
    for _ in range(STEPS):
        faults.share, faults.count = chance.choice([0.0, 0.0, 0.2]), 0
        before = len(ledger.entries(services))
        asked.clear()
        status, rows = history.step()
        faults.share = 0.0
        added = ledger.entries(services)[before:]
        if status >= 400 and not faults.count:
            assert not added, (status, added)
        elif status < 400 and rows is not None:
            assert len(added) == rows, (status, added)
            acknowledged += rows
        assert {row.action for row in added} <= allowed(asked)
        assert all(row.username == "alice" and row.ip_address == "127.0.0.1" for row in added)
        ledger.check(services)
    assert acknowledged > STEPS / 4


def test_who_races_is_told_of_once_too(make_app: Callable[..., Flask], database_url: str) -> None:
    app = make_app(database_url=database_url, trash_days=30)
    services: Services = app.extensions[EXTENSION]
    histories = [History(app, random.Random(seed)) for seed in range(RACERS)]
    for other in histories[1:]:  # they know of the same things
        for name in ("links", "upload_links", "keys", "groups"):
            setattr(other, name, getattr(histories[0], name))
    with ThreadPoolExecutor(RACERS) as racers:
        statuses = list(racers.map(lambda history: [history.step()[0] for _ in range(STEPS // 3)], histories))
    ledger.check(services)
    assert all(sum(status < 400 for status in each) > STEPS / 12 for each in statuses)
    assert not any(status == 500 for each in statuses for status in each)
