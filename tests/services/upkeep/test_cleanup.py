"""Removing what nobody will miss."""

import os
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from tests.services.conftest import Bench
from tests.stores import path_of
from transfer_service.models.accounts import SignIn
from transfer_service.models.files import File, FileState
from transfer_service.models.upkeep import DiscardedBytes
from transfer_service.models.uploads import ResumableUpload
from transfer_service.services.files.files import remove_row
from transfer_service.services.upkeep.chat import BATCH
from transfer_service.services.upkeep.cleanup import Report
from transfer_service.services.upkeep.orphans import Tally
from transfer_service.wire.ranges import Span


def orphaned_blob(bench: Bench, data: bytes = b"x" * 5000) -> uuid.UUID:
    """Bytes without facts."""
    blob_id = uuid.uuid4()
    with bench.services.store.open_writer(blob_id, Span(0, len(data)), create=True, wait_seconds=0) as writer:
        writer.write(0, [data])
    return blob_id


def counts(report: Report) -> tuple[int, int, int, int]:
    """Stale uploads, orphaned blobs, files without bytes, spent sign-ins."""
    removed = report.removed
    return removed.stale_uploads.count, removed.orphaned_blobs.count, report.missing, removed.spent_sign_ins.count


def clean(bench: Bench, *, dry_run: bool = False) -> Report:
    """A run that takes orphans, however many."""
    return bench.services.cleanup.run(dry_run=dry_run, even_many=True)


def messy(bench: Bench) -> set[str]:
    """One of everything that is due, and the names of what has to stay."""
    bench.append(0, b"abc", "stale", total=10)
    lost = bench.store(b"lost", "lost")
    bench.store(b"kept", "kept")
    bench.services.store.delete(lost.id)
    orphaned_blob(bench)
    ended = bench.services.sign_ins.begin(account_id=bench.account_id, name="alice")
    bench.services.sign_ins.end(ended.sign_in_id)
    bench.clock.advance(hours=25)
    bench.append(0, b"abc", "fresh", total=10)
    return {"kept", "lost", "fresh"}


def test_a_run_removes_one_of_each_kind_and_keeps_the_rest(any_bench: Bench) -> None:
    kept = messy(any_bench)
    assert counts(clean(any_bench)) == (1, 1, 1, 1)
    assert set(any_bench.names()) == kept
    assert any_bench.used_bytes() == any_bench.reserved_bytes() == len(b"kept") + len(b"lost") + 10


def test_a_second_run_finds_nothing(any_bench: Bench) -> None:
    messy(any_bench)
    clean(any_bench)
    assert counts(clean(any_bench)) == (0, 0, 1, 0)


def test_a_dry_run_tells_the_same_and_removes_nothing(any_bench: Bench) -> None:
    messy(any_bench)
    before = (any_bench.names(), any_bench.rows(), any_bench.blobs(), any_bench.used_bytes())
    dry = clean(any_bench, dry_run=True)
    assert (any_bench.names(), any_bench.rows(), any_bench.blobs(), any_bench.used_bytes()) == before
    assert dry.removed == clean(any_bench).removed


@pytest.mark.parametrize(
    ("hours", "left"),
    [
        pytest.param(23.9, ["log.bin"], id="young"),
        pytest.param(24.1, [], id="stale"),
        pytest.param(-1000, ["log.bin"], id="clock-back"),
    ],
)
def test_an_idle_upload_is_removed_after_a_day(bench: Bench, hours: float, left: list[str]) -> None:
    bench.append(0, b"abc", total=10)
    bench.clock.advance(hours=hours)
    bench.services.cleanup.run()
    assert bench.names() == left
    assert (len(bench.blobs()), bench.used_bytes()) == (len(left), 10 * len(left))


def test_an_upload_that_goes_on_is_not_idle(bench: Bench) -> None:
    bench.append(0, b"abc", total=10)
    bench.clock.advance(hours=20)
    bench.append(3, b"d")
    bench.clock.advance(hours=20)
    assert counts(bench.services.cleanup.run()) == (0, 0, 0, 0)
    assert bench.names() == ["log.bin"]


def test_a_finished_file_is_never_stale(bench: Bench) -> None:
    bench.store(b"whole")
    bench.clock.advance(days=3650)
    assert counts(bench.services.cleanup.run()) == (0, 0, 0, 0)
    assert bench.names() == ["log.bin"]


def test_a_stale_upload_whose_bytes_are_all_there_is_finished_instead(any_bench: Bench) -> None:
    status = any_bench.append(0, b"abcde", total=5)
    with any_bench.services.database.write() as session:
        file = session.get_one(File, status.id)
        file.state, file.sha256, file.completed_at = FileState.RECEIVING, None, None
    any_bench.clock.advance(hours=25)
    assert any_bench.services.cleanup.run().removed.stale_uploads == Tally()
    with any_bench.services.database.read() as session:
        assert session.get_one(File, status.id).sha256 == status.sha256


def test_an_upload_in_use_is_left_alone_until_its_writer_is_gone(bench: Bench) -> None:
    status = bench.append(0, b"abc", total=10)
    bench.clock.advance(hours=25)
    with bench.services.store.open_writer(status.id, Span(3, 10), create=True, wait_seconds=0):
        assert counts(bench.services.cleanup.run()) == (0, 0, 0, 0)
    assert counts(bench.services.cleanup.run()) == (1, 0, 0, 0)
    assert bench.names() == []


@pytest.mark.parametrize(
    ("minutes", "removed"),
    [pytest.param(59, 0, id="young"), pytest.param(61, 1, id="old"), pytest.param(-60, 0, id="clock-back")],
)
def test_an_orphaned_blob_is_set_aside_after_an_hour(bench: Bench, minutes: float, removed: int) -> None:
    orphaned_blob(bench)
    bench.clock.advance(minutes=minutes)
    tally = clean(bench).removed.orphaned_blobs
    assert (tally.count, tally.bytes >= 5000) == (removed, bool(removed))
    assert len(bench.blobs()) == 1 - removed


def test_an_orphaned_blob_in_use_is_left_alone(bench: Bench) -> None:
    blob_id = orphaned_blob(bench)
    bench.clock.advance(hours=2)
    with bench.services.store.open_writer(blob_id, Span(9000, 9001), create=True, wait_seconds=0):
        assert counts(clean(bench)) == (0, 0, 0, 0)
    assert bench.blobs() == {blob_id}


def test_a_file_whose_bytes_are_gone_is_told_and_stays(any_bench: Bench) -> None:
    lost, kept = any_bench.store(b"lost", "lost"), any_bench.store(b"kept", "kept")
    any_bench.services.store.delete(lost.id)
    any_bench.clock.advance(hours=2)
    report = any_bench.services.cleanup.run()
    assert (report.missing, report.missing_files) == (1, [str(lost.id)])
    assert (any_bench.names(), any_bench.used_bytes()) == ([kept.name, lost.name], 8)


def test_a_run_that_was_killed_between_row_and_blob_is_completed_by_the_next(any_bench: Bench) -> None:
    status = any_bench.append(0, b"abc", total=10)
    any_bench.clock.advance(hours=25)
    with any_bench.services.database.write() as session:
        remove_row(session, session.get_one(File, status.id), any_bench.services.space)
    report = any_bench.services.cleanup.run()
    assert (report.removed.unfinished_deletions.count, report.removed.orphaned_blobs.count) == (1, 0)
    assert (any_bench.rows(), any_bench.blobs(), report.in_quarantine.count) == (0, set(), 0)


def test_names_of_deleted_bytes_are_forgotten_when_no_power_loss_can_bring_them_back(any_bench: Bench) -> None:
    any_bench.store(b"gone")
    any_bench.services.files.delete(any_bench.account_id, "log.bin")
    for minutes, left in ((30, 1), (31, 0)):
        any_bench.clock.advance(minutes=minutes)
        any_bench.services.cleanup.run()
        with any_bench.services.database.read() as session:
            assert session.scalars(select(func.count()).select_from(DiscardedBytes)).one() == left


def test_a_whole_file_that_died_on_its_way_is_removed_after_an_hour(bench: Bench) -> None:
    status = bench.append(0, b"abc", total=10)
    with bench.services.database.write() as session:
        session.get_one(File, status.id).holds_name = False
    bench.clock.advance(minutes=61)
    assert counts(bench.services.cleanup.run()) == (1, 0, 0, 0)
    assert (bench.rows(), bench.blobs(), bench.used_bytes()) == (0, set(), 0)


def test_two_runs_at_once_share_the_work_without_harm(any_bench: Bench) -> None:
    for number in range(30):
        any_bench.append(0, b"abc", f"stale {number}", total=10)
    any_bench.clock.advance(hours=25)
    reports: list[Report] = []
    threads = [threading.Thread(target=lambda: reports.append(any_bench.services.cleanup.run())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.removed.stale_uploads.count for report in reports) == 30
    assert (any_bench.rows(), any_bench.blobs(), any_bench.used_bytes()) == (0, set(), 0)


def test_more_than_one_batch_is_removed(bench: Bench) -> None:
    blob_ids = {orphaned_blob(bench, b"x") for _ in range(600)}
    assert bench.blobs() == blob_ids
    bench.clock.advance(hours=2)
    assert clean(bench).removed.orphaned_blobs.count == 600
    assert bench.blobs() == set()


def test_foreign_files_in_the_store_are_left_alone(bench: Bench) -> None:
    blob_id = orphaned_blob(bench)
    folder = path_of(bench.services.store, blob_id).parent
    (folder / "README").write_text("not ours")
    os.utime(folder / "README", (0, 0))
    bench.clock.advance(hours=2)
    assert clean(bench).removed.orphaned_blobs.count == 1
    assert (folder / "README").read_text() == "not ours"


def test_what_is_more_than_one_transaction_takes_is_removed_too(bench: Bench) -> None:
    count, now = BATCH * 2 + 1, bench.clock()
    of_account = {"account_id": bench.account_id, "created_at": now}
    ended = {"protocol": "tus", "kind": "whole", "overwrite": False, "ends": True, "ended_at": now - timedelta(days=40)}
    with bench.services.database.write() as session:
        spent = [{"id": uuid.uuid4(), **of_account, "expires_at": now - timedelta(days=1)} for _ in range(count)]
        session.execute(insert(SignIn), spent)
        session.execute(insert(ResumableUpload), [{"id": uuid.uuid4(), **of_account, **ended} for _ in range(count)])
    assert bench.services.cleanup.run().removed.spent_sign_ins.count == count
    with bench.services.database.read() as session:
        left = [session.scalar(select(func.count()).select_from(each)) for each in (SignIn, ResumableUpload)]
    assert left == [0, 0]


def test_files_are_looked_for_off_the_event_loop(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    cleanup, store, depth, looked = bench.services.cleanup, bench.services.store, [0], list[bool]()
    stored_bytes = store.stored_bytes

    def offload(work: Callable[[], Any]) -> Any:
        depth[0] += 1
        try:
            return work()
        finally:
            depth[0] -= 1

    def look(blob_id: uuid.UUID) -> int | None:
        looked.append(depth[0] > 0)
        return stored_bytes(blob_id)

    bench.store(b"x")
    store.delete(bench.store(b"y", "lacking").id)
    bench.clock.advance(hours=2)
    monkeypatch.setattr(cleanup, "_offload", offload)
    monkeypatch.setattr(store, "stored_bytes", look)
    assert cleanup.run().missing == 1
    assert looked == [True, True]
