"""Listing the uploads of an account."""

import re
from datetime import timedelta

import pytest

from tests.services.conftest import plan_of
from tests.services.uploads.bench import Uploads, any_uploads, make_uploads, repr_digest, uploads
from transfer_service.errors import DigestMismatch, NotFound
from transfer_service.services.uploads.listing import ListedUpload

__all__ = ["any_uploads", "make_uploads", "uploads"]


def listed(uploads: Uploads, limit: int = 100, after: ListedUpload | None = None) -> list[ListedUpload]:
    position = (after.file.created_at, after.file.id) if after else None
    return uploads.services.unfinished_uploads.list_uploads(uploads.account_id, limit=limit, after=position)


def test_uploads_of_every_door_are_listed_newest_first(any_uploads: Uploads) -> None:
    tus = any_uploads.begin(10, "tus.bin")
    any_uploads.send(tus, 0, b"0123")
    any_uploads.clock.advance(seconds=1)
    draft = any_uploads.begin_ietf(name="draft.bin")
    any_uploads.clock.advance(seconds=1)
    any_uploads.append(0, b"ab", "chunks.bin", total=5)
    any_uploads.append(4, b"e", "chunks.bin", total=5)
    found = listed(any_uploads)
    assert [(each.file.name, each.protocol, each.file.next_expected, each.file.length) for each in found] == [
        ("chunks.bin", "chunks", 2, 5),
        ("draft.bin", "ietf", 0, None),
        ("tus.bin", "tus", 4, 10),
    ]
    assert [each.file.id for each in found[1:]] == [draft.id, tus.id]
    assert {each.expires_at for each in found[:1]} == {any_uploads.clock() + timedelta(hours=24)}


def test_a_file_on_its_way_in_one_request_is_listed_and_never_expires(uploads: Uploads) -> None:
    seen: list[ListedUpload] = []
    uploads.store(b"x" * 10, length=10, before_the_end=lambda: seen.extend(listed(uploads)))
    assert [(each.protocol, each.file.length, each.expires_at) for each in seen] == [("whole", 10, None)]
    assert listed(uploads) == []


def test_what_is_finished_cancelled_expired_or_spent_is_not_listed(any_uploads: Uploads) -> None:
    any_uploads.begin(10, "expired")
    any_uploads.clock.advance(hours=25)
    any_uploads.send(any_uploads.begin(3, "finished"), 0, b"abc")
    any_uploads.cancel(any_uploads.begin(3, "cancelled"))
    any_uploads.concatenate(any_uploads.part(b"abc"))
    any_uploads.store(b"x", "stored")
    any_uploads.begin(1, "left")
    assert [each.file.name for each in listed(any_uploads)] == ["left"]


def test_somebody_elses_uploads_are_not_listed(uploads: Uploads) -> None:
    upload, other = uploads.begin(10), uploads.another_account()
    assert listed(other) == []
    with pytest.raises(NotFound):
        other.services.unfinished_uploads.get(other.account_id, upload.id)


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
def test_pages_together_are_the_whole_list(any_uploads: Uploads, limit: int) -> None:
    for number in range(6):  # two at a time of the same instant
        any_uploads.begin(number + 1, f"{number}.bin")
        any_uploads.clock.advance(seconds=number % 2)
    pages = [listed(any_uploads, limit)]
    while len(pages[-1]) == limit:
        pages.append(listed(any_uploads, limit, pages[-1][-1]))
    found = [each for page in pages for each in page]
    assert (found, len(pages)) == (listed(any_uploads), 6 // limit + 1)
    assert {each.file.name for each in found} == {f"{number}.bin" for number in range(6)}


def test_one_upload_can_be_asked_for_unfinished_and_finished(any_uploads: Uploads) -> None:
    upload = any_uploads.begin(3)
    any_uploads.send(upload, 0, b"ab")
    found = [any_uploads.services.unfinished_uploads.get(any_uploads.account_id, upload.id)]
    any_uploads.send(upload, 2, b"c")
    found.append(any_uploads.services.unfinished_uploads.get(any_uploads.account_id, upload.id))
    assert [(each.file.is_complete, each.file.next_expected) for each in found] == [(False, 2), (True, 3)]
    assert [each.expires_at is None for each in found] == [False, True]


def test_a_final_upload_rests_only_when_its_parts_do(any_uploads: Uploads) -> None:
    part = any_uploads.part(length=6)
    final = any_uploads.concatenate(part)
    any_uploads.clock.advance(hours=20)
    any_uploads.send(part, 0, b"abc")
    any_uploads.clock.advance(hours=20)
    expires_at = any_uploads.clock() + timedelta(hours=4)
    found = {each.file.id: each.expires_at for each in listed(any_uploads)}
    assert found == {part.id: expires_at, final.id: expires_at}
    assert any_uploads.services.unfinished_uploads.get(any_uploads.account_id, final.id).expires_at == expires_at
    any_uploads.clock.advance(hours=4)
    assert listed(any_uploads) == []


def test_an_upload_that_only_lacks_the_last_step_is_listed_and_does_not_expire(any_uploads: Uploads) -> None:
    upload = any_uploads.begin(3, repr_digest=repr_digest(b"other"))
    assert any_uploads.error_of(lambda: any_uploads.send(upload, 0, b"abc")) is DigestMismatch
    any_uploads.clock.advance(hours=100)
    assert [(each.file.id, each.expires_at) for each in listed(any_uploads)] == [(upload.id, None)]


@pytest.mark.parametrize("is_first", [True, False])
def test_finished_files_are_not_read(any_uploads: Uploads, is_first: bool) -> None:
    upload, listing = any_uploads.begin(10), any_uploads.services.unfinished_uploads
    after = None if is_first else (upload.created_at, upload.id)
    plan = plan_of(any_uploads.services.database, listing.statement(any_uploads.account_id, limit=10, after=after))
    assert "ix_files_receiving" in plan
    assert not re.search("USE TEMP B-TREE FOR ORDER BY|SCAN files|Sort", plan)
