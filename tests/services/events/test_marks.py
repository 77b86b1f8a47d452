"""Marks in the audit log: they change how a page is found, and never which."""

import random
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.services.conftest import Bench
from transfer_service.models.events import Activity, ActivityMark
from transfer_service.services.events import audit, marks
from transfer_service.services.events.actions import Action
from transfer_service.services.events.activities import ActivityFilter
from transfer_service.services.events.actors import Actor, as_actor

STEP = 7
DAY = timedelta(days=1)
KEPT = 3 * DAY


@pytest.fixture
def log(make_bench: Callable[..., Bench], database_url: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A log with a mark for every seventh row, kept for three days."""
    monkeypatch.setattr(marks, "STEP", STEP)
    bench = make_bench(database_url=database_url, activity_days=3)
    with bench.services.database.write() as session:
        session.query(Activity).delete()
    return bench


def add(bench: Bench, *at: datetime, name: str = "alice", action: Action = Action.FILE_DELETED) -> list[int]:
    """Rows of these instants."""
    with bench.services.database.write_rows() as rows, as_actor(Actor(None, name, None)):
        return [audit.record_known(rows, action, uuid.uuid4(), {}, each) for each in at]


def all_marks(bench: Bench) -> list[int]:
    with bench.services.database.read() as session:
        return list(session.scalars(select(ActivityMark.position).order_by(ActivityMark.position)))


def stored(bench: Bench) -> list[tuple[datetime, int, str | None]]:
    """What is in the table, newest first."""
    with bench.services.database.read() as session:
        rows = session.execute(select(Activity.created_at, Activity.id, Activity.username)).all()
    return sorted(((row.created_at, row.id, row.username) for row in rows), reverse=True)


def expected(bench: Bench, wanted: ActivityFilter) -> list[int]:
    return [
        row_id
        for at, row_id, name in stored(bench)
        if (wanted.since is None or at >= wanted.since)
        and (wanted.until is None or at <= wanted.until)
        and wanted.username in {None, name}
    ]


def check(bench: Bench, chance: random.Random, **fields: Any) -> None:
    """Every page of what a filter lets through is right, and so is all of it."""
    wanted, limit = ActivityFilter(**fields), chance.randint(1, 9)
    right = expected(bench, wanted)
    for page in range(1, len(right) // limit + 3):
        found = bench.services.activities.list_page(page, limit, wanted)
        assert found.total == len(right)
        assert [row.activity_id for row in found.rows] == right[(page - 1) * limit : page * limit]
    assert [row.activity_id for rows in bench.services.activities.read_all(wanted) for row in rows] == right


@pytest.mark.parametrize("seed", range(2))
def test_each_page_is_right_whatever_came_and_went(log: Bench, seed: int) -> None:
    chance, moments = random.Random(seed), []
    for _ in range(12):
        for _ in range(chance.randint(0, 15)):
            moment = log.clock() + timedelta(microseconds=chance.randint(0, 3))
            moments += [moment] * chance.randint(1, 3)
            add(log, *moments[-1:], name=chance.choice(["alice", "bob"]))
            log.clock.advance(minutes=chance.choice([0, 1, 60]))
        log.clock.advance(hours=chance.choice([1, 20, 40]))
        if chance.random() < 0.3:
            list(log.services.activities.remove_old(dry_run=False))
            assert all(at >= log.clock() - KEPT for at, _, _ in stored(log))
        since, until = (chance.choice([None, *moments[-40:]]) for _ in range(2))
        check(log, chance)
        check(log, chance, since=since, until=until)
        check(log, chance, username="bob", since=since, until=until)
    assert len(all_marks(log)) > 1 and all_marks(log)[0] > 0


def test_a_row_that_is_taken_out_takes_the_marks_behind_it_along(log: Bench) -> None:
    ids = add(log, *(log.clock() + timedelta(seconds=each) for each in range(40)))
    log.clock.advance(hours=1)
    assert log.services.activities.list_page(1, 5).total == 40
    assert all_marks(log) == [0, 7, 14, 21, 28, 35]
    with log.services.database.write_rows() as rows:
        audit.take_back(rows, ids[15])
    assert all_marks(log) == [0, 7, 14]
    check(log, random.Random(0))


def test_a_row_of_a_clock_that_was_set_back_is_counted_after_the_next_cleanup(log: Bench) -> None:
    add(log, *(log.clock() for _ in range(30)))
    log.clock.advance(hours=1)
    log.services.activities.list_page(1, 5)
    add(log, log.clock() - DAY)
    list(log.services.activities.remove_old(dry_run=False))
    check(log, random.Random(0))


def test_what_is_young_gets_no_mark_yet(log: Bench) -> None:
    add(log, *(log.clock() for _ in range(30)))
    log.services.activities.list_page(1, 5)
    assert all_marks(log) == [0]


def test_cleanup_removes_what_is_old_and_a_dry_run_tells_how_much(log: Bench) -> None:
    add(log, *[log.clock()] * 25)
    log.clock.advance(days=4)
    add(log, log.clock() - KEPT, log.clock())
    assert log.services.cleanup.run(dry_run=True).removed.old_activities.count == 25
    assert len(stored(log)) == 27
    assert log.services.cleanup.run().removed.old_activities.count == 25
    assert log.services.activities.list_page(1, 50).total == len(stored(log)) == 2
    with log.services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(ActivityMark)) == 1
    assert log.services.cleanup.run().removed.old_activities.count == 0


def test_who_may_not_write_reads_all_the_same(log: Bench) -> None:
    add(log, *(log.clock() + timedelta(seconds=each) for each in range(40)))
    log.clock.advance(hours=1)
    log.services.database.is_read_only = True
    check(log, random.Random(0))
    assert all_marks(log) == [0]
