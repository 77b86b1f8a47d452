"""The length of a resumable upload, the limit of a file, and the account's quota."""

from collections.abc import Callable

import pytest

from tests.services.uploads.bench import Client, Uploads, any_uploads, make_uploads, uploads
from transfer_service.errors import InconsistentLength, QuotaExceeded, TooLarge, TransferError

__all__ = ["any_uploads", "make_uploads", "uploads"]


@pytest.mark.parametrize(
    ("length", "error"),
    [
        pytest.param(6, None, id="longer"),
        pytest.param(4, None, id="exactly-there"),
        pytest.param(3, TooLarge, id="less-than-is-there"),
        pytest.param(101, TooLarge, id="over-the-limit"),
        pytest.param(90, QuotaExceeded, id="over-the-quota"),
    ],
)
def test_the_length_may_come_later(
    make_uploads: Callable[..., Uploads], length: int, error: type[TransferError] | None
) -> None:
    uploads = make_uploads(max_file_bytes=100, quota_bytes=80)
    upload = uploads.begin()
    uploads.send(upload, 0, b"0123")
    assert uploads.error_of(lambda: uploads.send(upload, 4, length=length)) is error
    found = uploads.get(upload)
    assert (found.length, found.is_finished) == ((None, False) if error else (length, length == 4))
    assert uploads.used_bytes() == uploads.reserved_bytes() == (4 if error else length)


def test_a_length_that_was_told_stays(uploads: Uploads) -> None:
    upload = uploads.begin()
    uploads.send(upload, 0, b"01", length=5)
    assert uploads.error_of(lambda: uploads.send(upload, 2, length=6)) is InconsistentLength
    assert uploads.send(upload, 2, b"234").is_finished


def test_room_is_reserved_by_the_beginning(make_uploads: Callable[..., Uploads]) -> None:
    uploads = make_uploads(quota_bytes=10)
    upload = uploads.begin(7)
    assert uploads.error_of(lambda: uploads.begin(4)) is QuotaExceeded
    assert (uploads.used_bytes(), uploads.rows()) == (7, 1)
    uploads.cancel(upload)
    assert (uploads.begin(10).offset, uploads.used_bytes()) == (0, 10)


def test_an_upload_larger_than_any_file_is_refused(make_uploads: Callable[..., Uploads]) -> None:
    uploads = make_uploads(max_file_bytes=10)
    assert uploads.error_of(lambda: uploads.begin(11)) is TooLarge
    assert (uploads.rows(), uploads.used_bytes()) == (0, 0)


def test_an_upload_of_unknown_length_reserves_as_it_grows(any_uploads: Uploads) -> None:
    upload = any_uploads.begin()
    used = [any_uploads.used_bytes()]
    for offset, data in [(0, b"abc"), (3, b""), (3, b"defg")]:
        any_uploads.send(upload, offset, data)
        used.append(any_uploads.used_bytes())
    assert used == [0, 3, 3, 7]


def test_over_the_quota_the_offset_stays_true_and_the_upload_goes_on_once_there_is_room(
    make_uploads: Callable[..., Uploads], database_url: str
) -> None:
    uploads = make_uploads(database_url=database_url, quota_bytes=10)
    upload, other = uploads.begin(), uploads.begin(4, "other")
    uploads.send(upload, 0, b"01234")
    assert (
        uploads.error_of(lambda: uploads.stream(upload, 5, b"56", Client.PAUSES, b"789", length=None)) is QuotaExceeded
    )
    assert (uploads.get(upload).offset, uploads.used_bytes()) == (5, 9)
    uploads.cancel(other)
    assert uploads.send(upload, 5, b"56789", length=10).is_finished
    assert uploads.file() == b"0123456789"


def test_past_the_limit_of_a_file_an_upload_of_unknown_length_keeps_what_fits(
    make_uploads: Callable[..., Uploads],
) -> None:
    uploads = make_uploads(max_file_bytes=8)
    upload = uploads.begin()
    assert uploads.error_of(lambda: uploads.stream(upload, 0, b"01234", b"5678")) is TooLarge
    assert (uploads.get(upload).offset, uploads.stored(upload), uploads.used_bytes()) == (5, b"01234", 5)
