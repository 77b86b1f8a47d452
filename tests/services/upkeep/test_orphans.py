"""Bytes without facts: set aside, kept for some days, and back with their facts."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from tests.services.chat.bench import Chat
from tests.services.conftest import Bench
from tests.stores import content, listed, path_of, put
from transfer_service.models.files import File
from transfer_service.services.upkeep.cleanup import Report
from transfer_service.services.upkeep.orphans import Orphans
from transfer_service.services.upkeep.shelves import ATTACHMENTS, AttachmentShelf
from transfer_service.storage.quarantine import DiskQuarantine
from transfer_service.wire.attachments import Attachment
from transfer_service.wire.ranges import Span

OTHERS = 20
"""So many other files that one or two orphans are few."""


def files(bench: Bench, count: int = OTHERS) -> list[uuid.UUID]:
    return [bench.store(b"%d" % number, f"file {number}").id for number in range(count)]


def lose_rows(bench: Bench, ids: list[uuid.UUID]) -> list[dict[str, Any]]:
    """Take rows away, as an older database would not have them. What they were."""
    with bench.services.database.write() as session:
        rows = [dict(row) for row in session.execute(select(File.__table__).where(File.id.in_(ids))).mappings()]
        session.execute(delete(File).where(File.id.in_(ids)))
    return rows


def give_back(bench: Bench, rows: list[dict[str, Any]]) -> None:
    with bench.services.database.write() as session:
        session.execute(insert(File), rows)


def later(bench: Bench, *, even_many: bool = False, **age: float) -> Report:
    """A cleanup after some time."""
    bench.clock.advance(**age)
    return bench.services.cleanup.run(even_many=even_many)


def quarantine_of(bench: Bench) -> DiskQuarantine:
    quarantine = bench.services.store.quarantine
    assert isinstance(quarantine, DiskQuarantine)
    return quarantine


def test_an_orphan_goes_to_the_quarantine_of_its_store(any_bench: Bench) -> None:
    ids = files(any_bench)
    lose_rows(any_bench, ids[:1])
    report = later(any_bench, hours=2)
    assert (report.removed.orphaned_blobs.count, report.in_quarantine.count) == (1, 1)
    assert any_bench.blobs() == set(ids[1:])
    (kept,) = any_bench.services.store.quarantine.items()
    assert (kept.key, quarantine_of(any_bench)._path_of(kept).read_bytes()) == (ids[0].hex, b"0")


def test_it_is_kept_for_seven_days_from_then_on_and_then_removed(bench: Bench) -> None:
    ids = files(bench)
    bench.clock.advance(days=300)
    lose_rows(bench, ids[:1])
    assert later(bench, hours=0).in_quarantine.count == 1
    assert later(bench, days=6.9).in_quarantine.count == 1
    report = later(bench, days=0.2)
    assert (report.removed.expired_quarantine.count, report.in_quarantine.count) == (1, 0)
    assert not quarantine_of(bench)._folder.exists()


def test_the_days_are_a_setting(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(quarantine_days=0.5)
    lose_rows(bench, files(bench)[:1])
    later(bench, hours=2)
    assert later(bench, hours=11).removed.expired_quarantine.count == 0
    assert later(bench, hours=2).removed.expired_quarantine.count == 1


def test_what_has_its_row_again_comes_back_by_itself(any_bench: Bench) -> None:
    ids = files(any_bench)
    rows = lose_rows(any_bench, ids[:2])
    later(any_bench, hours=2)
    give_back(any_bench, rows)
    report = later(any_bench, hours=1)
    assert (report.restored.count, report.in_quarantine.count, report.missing) == (2, 0, 0)
    status = any_bench.find("file 0")
    assert status is not None
    assert any_bench.content(status) == b"0"


def test_what_comes_back_on_its_last_day_is_not_removed(bench: Bench) -> None:
    ids = files(bench)
    rows = lose_rows(bench, ids[:1])
    later(bench, hours=2)
    give_back(bench, rows)
    report = later(bench, days=8)
    assert (report.restored.count, report.removed.expired_quarantine.count) == (1, 0)


def test_nothing_is_put_back_over_other_bytes(bench: Bench) -> None:
    ids = files(bench)
    rows = lose_rows(bench, ids[:1])
    later(bench, hours=2)
    give_back(bench, rows)
    put(bench.services.store, ids[0], b"new")
    report = later(bench, hours=1)
    assert (report.restored.count, report.in_quarantine.count) == (0, 1)
    assert content(bench.services.store, ids[0]) == b"new"


def test_a_run_that_was_killed_in_putting_back_is_completed_by_the_next(bench: Bench) -> None:
    ids = files(bench)
    rows = lose_rows(bench, ids[:1])
    later(bench, hours=2)
    give_back(bench, rows)
    (kept,) = bench.services.store.quarantine.items()
    store_path = path_of(bench.services.store, ids[0])
    store_path.hardlink_to(quarantine_of(bench)._path_of(kept))
    report = later(bench, hours=1)
    assert (report.restored.count, report.in_quarantine.count) == (1, 0)
    assert store_path.stat().st_nlink == 1


@pytest.mark.parametrize(("lost", "stays"), [(2, False), (3, True), (20, True)])
def test_more_than_a_tenth_of_all_files_stay_where_they_are(any_bench: Bench, lost: int, stays: bool) -> None:
    ids = files(any_bench)
    lose_rows(any_bench, ids[:lost])
    report = later(any_bench, hours=2)
    assert report.left.count == (lost if stays else 0)
    assert report.removed.orphaned_blobs.count == (0 if stays else lost)
    assert any_bench.blobs() == (set(ids) if stays else set(ids[lost:]))


def test_all_else_is_done_beside_too_many_orphans(bench: Bench) -> None:
    bench.append(0, b"abc", "stale", total=10)
    lose_rows(bench, files(bench, 5))
    report = later(bench, hours=25)
    assert (report.left.count, report.removed.stale_uploads.count, bench.names()) == (5, 1, [])


def test_more_than_a_gibibyte_stays_where_it_is(bench: Bench) -> None:
    ids = files(bench)
    with bench.services.store.open_writer(ids[0], Span(0, 2**31), create=False, wait_seconds=0) as writer:
        writer.write(2**30, [b"x"])
    lose_rows(bench, ids[:1])
    assert later(bench, hours=2).left.count == 1


def test_even_many_go_where_that_is_said(any_bench: Bench) -> None:
    lose_rows(any_bench, files(any_bench))
    report = later(any_bench, hours=2, even_many=True)
    assert (report.left.count, report.in_quarantine.count, any_bench.blobs()) == (0, OTHERS, set())


def test_bytes_of_deletions_that_were_killed_are_not_counted_as_orphans(bench: Bench) -> None:
    """Whoever deletes most of his files must not be asked whether he lost his database."""
    ids = files(bench)
    copies = {file_id: path_of(bench.services.store, file_id) for file_id in ids[:15]}
    for number in range(15):
        bench.services.files.delete(bench.account_id, f"file {number}")
    for path in copies.values():
        path.write_bytes(b"an unlink that a power loss has undone")
    report = later(bench, hours=2)
    assert (report.removed.unfinished_deletions.count, report.left.count) == (15, 0)
    assert bench.blobs() == set(ids[15:])


def test_what_is_posted_while_it_is_looked_at_is_no_orphan(any_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was in use when its message was not there yet, and is not any more once that is there."""
    chat = Chat(any_bench)
    store, message_id = any_bench.services.attachments._store, chat.messages.new_id()
    put(store, f"{message_id}/film.mp4", b"abc")
    conversation_id, attachment = chat.direct(), Attachment("film.mp4", "video/mp4", 3, "ab" * 32)

    def see_the_last_moment(key: str) -> bool:
        """Before the message is posted."""
        if not shelf.known({key}):
            chat.post(conversation_id, None, message_id=key, attachment=attachment)
        return False

    shelf = AttachmentShelf(database=any_bench.services.database, store=store)
    monkeypatch.setattr(store.claims, "is_in_use", see_the_last_moment)
    any_bench.clock.advance(hours=2)
    orphans = Orphans(shelves={ATTACHMENTS: shelf}, now=any_bench.clock, kept_for=timedelta(days=7))
    assert orphans.sweep(dry_run=False, even_many=True).set_aside[ATTACHMENTS].count == 0
    assert [each.key for each in listed(store)] == [message_id]
