"""What an account's sockets hear of its uploads."""

import uuid
from dataclasses import replace

import pytest

from tests.services.uploads.bench import Client, Uploads, make_uploads, uploads
from transfer_service.services.uploads.progress import MAX_REMEMBERED, ProgressNews, UploadProgress
from transfer_service.services.uploads.rows import UploadRecord

__all__ = ["make_uploads", "uploads"]


def at(upload: UploadRecord, offset: int) -> UploadRecord:
    return upload.with_file(received_bytes=offset)


def another(upload: UploadRecord) -> UploadRecord:
    return replace(upload, id=uuid.uuid4())


def offsets(told: list[UploadProgress]) -> list[int]:
    return [each.offset for each in told]


def test_the_first_and_the_last_of_a_burst_are_told(uploads: Uploads) -> None:
    told: list[UploadProgress] = []
    news, upload = ProgressNews(told.append), uploads.begin(10)
    for offset in range(1, 5):
        news.tell(at(upload, offset))
    news.tell(at(upload, 5), is_last=True)
    assert offsets(told) == [1, 5]


def test_uploads_do_not_silence_each_other(uploads: Uploads) -> None:
    told: list[UploadProgress] = []
    news, upload = ProgressNews(told.append), uploads.begin(10)
    for offset in range(5):
        news.tell(another(at(upload, offset)))
    assert offsets(told) == [0, 1, 2, 3, 4]


def test_only_so_many_uploads_are_remembered(uploads: Uploads) -> None:
    told: list[UploadProgress] = []
    news, first = ProgressNews(told.append), uploads.begin(10)
    news.tell(at(first, 1))
    for _ in range(MAX_REMEMBERED):
        news.tell(another(first))
    news.tell(at(first, 2))
    assert offsets(told)[:1] + offsets(told)[-1:] == [1, 2]


def test_an_upload_tells_how_far_it_got_and_that_it_is_finished(uploads: Uploads) -> None:
    upload = uploads.begin(6, "a.bin")
    uploads.stream(upload, 0, b"012", Client.PAUSES, b"345")
    tellings = [(each.account_id, each.upload_id, each.filename, each.length) for each in uploads.told]
    assert (offsets(uploads.told), set(tellings)) == ([3, 6], {(uploads.account_id, upload.id, "a.bin", 6)})


def test_the_last_tells_the_name_that_the_file_has_got(uploads: Uploads) -> None:
    uploads.store(b"x", "a.bin")
    uploads.send(uploads.begin(1, "a.bin"), 0, b"y")
    assert uploads.told[-1].filename == "a (2).bin"


@pytest.mark.parametrize("length", [pytest.param(None, id="unknown-length"), pytest.param(6, id="known-length")])
def test_an_append_that_is_not_the_last_tells_where_it_ended(uploads: Uploads, length: int | None) -> None:
    upload = uploads.begin(length)
    uploads.stream(upload, 0, b"012")
    assert [(each.offset, each.length) for each in uploads.told] == [(3, length)]


def test_a_final_upload_that_its_last_part_finishes_is_told(uploads: Uploads) -> None:
    part = uploads.part(length=3)
    final = uploads.concatenate(part)
    uploads.send(part, 0, b"abc")
    assert [each.offset for each in uploads.told if each.upload_id == final.id] == [3]
