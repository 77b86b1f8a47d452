"""Beginning, continuing and cancelling resumable uploads."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.services.uploads.bench import Append, Client, Uploads, announced, any_uploads, make_uploads, uploads
from transfer_service.errors import (
    BodyCutShort,
    ChecksumMismatch,
    Forbidden,
    InconsistentLength,
    NotFound,
    OffsetMismatch,
    TooLarge,
    TransferError,
    UploadEnded,
    UploadFinished,
)
from transfer_service.models.uploads import UploadKind, UploadProtocol
from transfer_service.services.uploads.rows import UploadRecord

__all__ = ["any_uploads", "make_uploads", "uploads"]


def test_an_upload_goes_on_where_it_ended(any_uploads: Uploads) -> None:
    upload = any_uploads.begin(10)
    offsets = [any_uploads.send(upload, 0, b"01", b"234").offset, any_uploads.get(upload).offset]
    finished = any_uploads.stream(upload, 5, b"56789")
    assert (offsets, finished.offset, finished.is_finished) == ([5, 5], 10, True)
    assert any_uploads.file() == b"0123456789"


def test_an_unfinished_upload_is_no_file_and_holds_no_name(uploads: Uploads) -> None:
    upload = uploads.begin(10)
    uploads.send(upload, 0, b"01234")
    assert (uploads.names(), uploads.find()) == ([], None)
    assert uploads.store(b"another").name == "log.bin"


def test_an_upload_without_a_name_is_called_by_its_id(uploads: Uploads) -> None:
    upload = uploads.begin(3, None)
    uploads.send(upload, 0, b"abc")
    assert uploads.names() == [str(upload.id)]


def test_an_empty_upload_is_finished_at_once(any_uploads: Uploads) -> None:
    upload = any_uploads.begin(0)
    assert upload.is_finished
    assert any_uploads.file() == b""


def test_the_upload_is_its_file(uploads: Uploads) -> None:
    upload = uploads.send(uploads.begin(3), 0, b"abc")
    found = uploads.find()
    assert found is not None
    assert (found.id, found.length) == (upload.id, 3)


BEGUN = 10
"""The length that the uploads of this table have; four bytes are there."""


@pytest.mark.parametrize(
    ("body", "piece", "error"),
    [
        pytest.param(announced(b"x"), {"offset": 3}, OffsetMismatch, id="before-the-end"),
        pytest.param(announced(b"x"), {"offset": 5}, OffsetMismatch, id="past-the-end"),
        pytest.param(announced(), {"offset": 5}, OffsetMismatch, id="empty-at-a-wrong-offset"),
        pytest.param(announced(bytes(7)), {"offset": 4}, TooLarge, id="announced-past-the-length"),
        pytest.param(Append([bytes(7)]), {"offset": 4}, TooLarge, id="chunked-past-the-length"),
        pytest.param(announced(b"x"), {"offset": 4, "length": 11}, InconsistentLength, id="another-length"),
        pytest.param(announced(b"x"), {"offset": 4, "is_last": True}, InconsistentLength, id="last-but-too-short"),
        pytest.param(announced(b"x", is_atomic=True, is_damaged=True), {"offset": 4}, ChecksumMismatch, id="damaged"),
        pytest.param(
            announced(b"456789", is_atomic=True, is_damaged=True), {"offset": 4}, ChecksumMismatch, id="damaged-end"
        ),
        pytest.param(
            announced(b"x", Client.LEAVES, is_atomic=True), {"offset": 4}, BodyCutShort, id="checksum-cut-short"
        ),
        pytest.param(
            announced(b"x", Client.PAUSES, Client.LEAVES, is_atomic=True),
            {"offset": 4},
            BodyCutShort,
            id="checksum-cut-short-later",
        ),
    ],
)
def test_a_refused_append_changes_nothing(
    uploads: Uploads, body: Append, piece: dict[str, Any], error: type[TransferError]
) -> None:
    upload = uploads.begin(BEGUN)
    uploads.send(upload, 0, b"0123")
    with pytest.raises(error):
        uploads.put(upload, body, **piece)
    assert (uploads.get(upload).offset, uploads.stored(upload)) == (4, b"0123")
    assert uploads.send(upload, 4, b"456789").is_finished
    assert uploads.file() == b"0123456789"


def test_a_wrong_offset_is_answered_with_the_right_one(uploads: Uploads) -> None:
    upload = uploads.begin(10)
    uploads.send(upload, 0, b"0123")
    with pytest.raises(OffsetMismatch) as refusal:
        uploads.send(upload, 2, b"x")
    assert (refusal.value.offset, refusal.value.provided) == (4, 2)


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param([Client.LEAVES], id="cut-short"),
        pytest.param([Client.PAUSES, Client.LEAVES], id="quiet-and-cut-short"),
        pytest.param([ConnectionResetError()], id="reset"),
        pytest.param([b"56789x"], id="past-the-length"),
    ],
)
def test_what_arrived_counts_however_the_body_ends(any_uploads: Uploads, ending: list[Any]) -> None:
    upload = any_uploads.begin(10)
    with pytest.raises((BodyCutShort, ConnectionResetError, TooLarge)):
        any_uploads.stream(upload, 0, b"01", b"234", *ending)
    assert (any_uploads.get(upload).offset, any_uploads.stored(upload)) == (5, b"01234")
    any_uploads.send(upload, 5, b"56789")
    assert any_uploads.file() == b"0123456789"


def test_what_was_refused_is_not_in_the_file(uploads: Uploads) -> None:
    upload = uploads.begin(10)
    uploads.error_of(lambda: uploads.put(upload, announced(bytes(10), is_atomic=True, is_damaged=True), offset=0))
    uploads.send(upload, 0, b"0123456789")
    assert uploads.stored(upload) == uploads.file() == b"0123456789"


def test_an_append_to_a_finished_upload_is_only_good_for_asking(uploads: Uploads) -> None:
    upload = uploads.send(uploads.begin(3), 0, b"abc")
    assert uploads.send(upload, 3) == upload
    assert uploads.error_of(lambda: uploads.send(upload, 3, b"d")) is UploadFinished
    assert uploads.error_of(lambda: uploads.send(upload, 1)) is OffsetMismatch
    assert uploads.file() == b"abc"


@pytest.mark.parametrize("end", [pytest.param(True, id="said-before"), pytest.param(False, id="said-by-the-end")])
def test_a_draft_upload_ends_when_a_request_says_so(any_uploads: Uploads, end: bool) -> None:
    upload = any_uploads.begin_ietf(6 if end else None)
    whole = any_uploads.send(upload, 0, b"012345")
    assert not whole.is_finished
    assert any_uploads.send(upload, 6, is_last=True).is_finished
    assert any_uploads.file() == b"012345"


def test_the_last_chunk_of_unknown_length_tells_the_length(uploads: Uploads) -> None:
    upload = uploads.begin_ietf()
    uploads.stream(upload, 0, b"abc")
    assert uploads.stream(upload, 3, b"def", is_last=True).length == 6
    assert uploads.file() == b"abcdef"


def test_the_last_chunk_cut_short_is_not_the_last(uploads: Uploads) -> None:
    upload = uploads.begin_ietf()
    with pytest.raises(BodyCutShort):
        uploads.stream(upload, 0, b"abc", Client.LEAVES, is_last=True)
    found = uploads.get(upload)
    assert (found.offset, found.length, found.ends, found.is_finished) == (3, None, False, False)


def test_a_chunked_end_before_the_length_keeps_its_bytes_and_finishes_nothing(uploads: Uploads) -> None:
    upload = uploads.begin_ietf(10)
    with pytest.raises(InconsistentLength):
        uploads.stream(upload, 0, b"abc", is_last=True)
    found = uploads.get(upload)
    assert (found.offset, found.ends, found.is_finished) == (3, False, False)


def refusals(uploads: Uploads, upload: UploadRecord, *, offset: int) -> set[type[TransferError] | None]:
    """What every call is refused with."""
    calls: list[Callable[[], object]] = [
        lambda: uploads.get(upload),
        lambda: uploads.look(upload),
        lambda: uploads.cancel(upload),
        lambda: uploads.send(upload, offset, b"x"),
    ]
    return {uploads.error_of(call) for call in calls}


def test_a_cancelled_upload_is_gone_with_its_bytes_and_its_room(any_uploads: Uploads) -> None:
    upload = any_uploads.begin(10)
    any_uploads.send(upload, 0, b"01234")
    any_uploads.cancel(upload)
    assert (any_uploads.used_bytes(), any_uploads.blobs(), any_uploads.rows()) == (0, set(), 0)
    assert refusals(any_uploads, upload, offset=5) == {UploadEnded}


def test_cancelling_a_finished_upload_forgets_it_and_keeps_the_file(any_uploads: Uploads) -> None:
    upload = any_uploads.send(any_uploads.begin(3), 0, b"abc")
    any_uploads.cancel(upload)
    assert any_uploads.error_of(lambda: any_uploads.get(upload)) is UploadEnded
    assert (any_uploads.file(), any_uploads.used_bytes()) == (b"abc", 3)


def test_the_upload_of_a_deleted_file_is_gone(uploads: Uploads) -> None:
    upload = uploads.send(uploads.begin(3), 0, b"abc")
    uploads.services.files.delete(uploads.account_id, "log.bin")
    assert uploads.error_of(lambda: uploads.get(upload)) is UploadEnded
    assert (uploads.blobs(), uploads.used_bytes()) == (set(), 0)


def test_an_idle_upload_expires(uploads: Uploads) -> None:
    upload = uploads.begin(10)
    uploads.clock.advance(hours=23)
    uploads.send(upload, 0, b"0")
    uploads.clock.advance(hours=23.9)
    assert uploads.get(upload).offset == 1
    uploads.clock.advance(hours=0.2)
    assert uploads.error_of(lambda: uploads.send(upload, 1, b"1")) is UploadEnded
    assert uploads.stored(upload) == b"0"


def test_somebody_elses_upload_is_unknown(uploads: Uploads) -> None:
    upload, other = uploads.begin(10), uploads.another_account()
    assert refusals(other, upload, offset=0) == {NotFound}
    assert uploads.get(upload) == upload


def test_an_upload_that_never_was_is_unknown(uploads: Uploads) -> None:
    with pytest.raises(NotFound):
        uploads.services.resumable_uploads.get(uploads.account_id, uuid.uuid4())


def test_a_final_upload_takes_no_bytes(uploads: Uploads) -> None:
    final = uploads.concatenate(uploads.part(length=3))
    assert final.kind is UploadKind.FINAL
    assert uploads.error_of(lambda: uploads.send(final, 0, b"x")) is Forbidden
    assert uploads.get(final).offset == 0


@pytest.mark.parametrize("begun_by", list(UploadProtocol))
@pytest.mark.parametrize(
    ("piece", "error"),
    [
        pytest.param({"ends": True}, None, id="tus"),
        pytest.param({"ends": False, "is_last": True}, None, id="draft-the-last"),
        pytest.param({"ends": False}, UploadFinished, id="draft-another-follows"),
    ],
)
def test_a_repeated_end_is_answered_as_the_protocol_of_its_request_wants(
    uploads: Uploads, begun_by: UploadProtocol, piece: dict[str, bool], error: type[TransferError] | None
) -> None:
    upload = uploads.begin(3, protocol=begun_by)
    uploads.send(upload, 0, b"abc", is_last=True)
    assert uploads.error_of(lambda: uploads.send(upload, 3, **piece)) is error
