"""Sweeping resumable uploads."""

import pytest
from sqlalchemy import delete

from tests.services.uploads.bench import Client, Uploads, any_uploads, make_uploads, uploads
from transfer_service.errors import NotFound, UploadEnded
from transfer_service.models.files import File
from transfer_service.services.upkeep.cleanup import Report
from transfer_service.services.uploads.rows import UploadRecord

__all__ = ["any_uploads", "make_uploads", "uploads"]


def begun(uploads: Uploads) -> UploadRecord:
    """An upload with some bytes."""
    upload = uploads.begin(10_000)
    return uploads.send(upload, 0, b"x" * 5000)


def clean(uploads: Uploads, *, dry_run: bool = False) -> Report:
    return uploads.services.cleanup.run(dry_run=dry_run)


def test_an_expired_upload_goes_with_its_bytes_and_its_room(any_uploads: Uploads) -> None:
    upload = begun(any_uploads)
    any_uploads.clock.advance(hours=24.1)
    tally = clean(any_uploads).removed.stale_uploads
    assert (tally.count, tally.bytes >= 5000) == (1, True)
    assert (any_uploads.rows(), any_uploads.blobs(), any_uploads.used_bytes()) == (0, set(), 0)
    assert any_uploads.error_of(lambda: any_uploads.get(upload)) is UploadEnded


@pytest.mark.parametrize("hours", [pytest.param(23.9, id="young"), pytest.param(-1000, id="clock-back")])
def test_an_upload_that_has_not_expired_stays(any_uploads: Uploads, hours: float) -> None:
    upload = begun(any_uploads)
    any_uploads.clock.advance(hours=hours)
    assert clean(any_uploads) == Report()
    assert any_uploads.get(upload).offset == 5000


def test_a_dry_run_tells_the_same_and_removes_nothing(any_uploads: Uploads) -> None:
    upload = begun(any_uploads)
    any_uploads.clock.advance(hours=25)
    dry = clean(any_uploads, dry_run=True)
    assert (any_uploads.rows(), any_uploads.blobs(), any_uploads.used_bytes()) == (1, {upload.id}, 10_000)
    assert clean(any_uploads) == dry
    assert clean(any_uploads) == Report()


def test_an_upload_that_is_being_received_stays(any_uploads: Uploads) -> None:
    upload, reports = begun(any_uploads), list[Report]()

    def long_after() -> None:
        any_uploads.clock.advance(hours=25)
        reports.append(clean(any_uploads.another_instance()))

    any_uploads.stream(upload, 5000, b"x", long_after, b"y")
    assert (reports, any_uploads.get(upload).offset) == ([Report()], 5002)


def test_a_finished_upload_stays(any_uploads: Uploads) -> None:
    upload = any_uploads.send(any_uploads.begin(3), 0, b"abc")
    any_uploads.clock.advance(days=400)
    assert clean(any_uploads) == Report()
    assert (any_uploads.file(), any_uploads.get(upload).is_finished) == (b"abc", True)


def test_parts_and_what_waits_for_them_expire(any_uploads: Uploads) -> None:
    part = any_uploads.part(b"abc")
    final = any_uploads.concatenate(part, any_uploads.part(length=3))
    any_uploads.clock.advance(hours=25)
    assert clean(any_uploads).removed.stale_uploads.count == 3
    assert (any_uploads.rows(), any_uploads.blobs(), any_uploads.used_bytes()) == (0, set(), 0)
    assert any_uploads.error_of(lambda: any_uploads.get(final)) is UploadEnded


def test_what_ended_is_remembered_for_a_month(any_uploads: Uploads) -> None:
    cancelled, forgotten = begun(any_uploads), any_uploads.send(any_uploads.begin(3), 0, b"abc")
    any_uploads.cancel(cancelled)
    any_uploads.cancel(forgotten)
    any_uploads.clock.advance(days=29)
    clean(any_uploads)
    assert any_uploads.error_of(lambda: any_uploads.get(cancelled)) is UploadEnded
    any_uploads.clock.advance(days=2)
    clean(any_uploads)
    assert {any_uploads.error_of(lambda: any_uploads.get(each)) for each in (cancelled, forgotten)} == {NotFound}  # noqa: B023
    assert (any_uploads.upload_ids(), any_uploads.names()) == (set(), ["log.bin"])


def test_an_upload_whose_file_was_deleted_is_forgotten_after_a_month(any_uploads: Uploads) -> None:
    any_uploads.send(any_uploads.begin(3), 0, b"abc")
    any_uploads.services.files.delete(any_uploads.account_id, "log.bin")
    any_uploads.clock.advance(days=31)
    clean(any_uploads)
    assert any_uploads.upload_ids() == set()


def test_bytes_of_uploads_without_facts_are_orphans(any_uploads: Uploads) -> None:
    upload, kept = begun(any_uploads), begun(any_uploads)
    with any_uploads.services.database.write() as session:
        session.execute(delete(File).where(File.id == upload.id))
    any_uploads.clock.advance(hours=23)
    report = any_uploads.services.cleanup.run(even_many=True)
    assert (report.removed.orphaned_blobs.count, report.in_quarantine.count) == (1, 1)
    assert any_uploads.blobs() == {kept.id}


def test_an_upload_that_was_cut_short_starts_its_day_anew(any_uploads: Uploads) -> None:
    upload = begun(any_uploads)
    any_uploads.clock.advance(hours=20)
    any_uploads.error_of(lambda: any_uploads.stream(upload, 5000, b"x", Client.LEAVES))
    any_uploads.clock.advance(hours=20)
    assert clean(any_uploads) == Report()
    assert any_uploads.get(upload).offset == 5001


def test_a_whole_that_waits_does_not_expire_while_its_parts_go_on(any_uploads: Uploads) -> None:
    part = any_uploads.part(length=3)
    final = any_uploads.concatenate(part)
    any_uploads.clock.advance(hours=20)
    any_uploads.send(part, 0, b"a")
    any_uploads.clock.advance(hours=20)
    assert (clean(any_uploads), any_uploads.get(final).is_finished) == (Report(), False)
    any_uploads.send(part, 1, b"bc")
    assert any_uploads.get(final).is_finished
