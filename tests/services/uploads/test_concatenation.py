"""Putting a final upload together from its parts."""

import uuid
from collections.abc import Callable

import pytest

from tests.services.uploads.bench import Uploads, any_uploads, make_uploads, repr_digest, uploads
from transfer_service.errors import InvalidRequest, QuotaExceeded, TooLarge, UploadEnded
from transfer_service.models.uploads import UploadKind

__all__ = ["any_uploads", "make_uploads", "uploads"]

MEBIBYTE = 1024 * 1024


def test_whole_parts_become_a_file_at_once_in_the_order_of_the_request(any_uploads: Uploads) -> None:
    parts = [any_uploads.part(data) for data in (b"one", b"two", b"three")]
    final = any_uploads.concatenate(*reversed(parts))
    assert (final.is_finished, final.offset, final.length) == (True, 11, 11)
    assert any_uploads.file("joined.bin") == b"threetwoone"


def test_the_parts_are_spent_and_their_room_is_given_back(any_uploads: Uploads) -> None:
    parts = [any_uploads.part(data) for data in (b"one", b"two")]
    final = any_uploads.concatenate(*parts)
    assert (any_uploads.used_bytes(), any_uploads.reserved_bytes(), any_uploads.blobs()) == (6, 6, {final.id})
    assert {any_uploads.error_of(lambda: any_uploads.get(part)) for part in parts} == {UploadEnded}  # noqa: B023


def test_a_whole_part_is_no_file(any_uploads: Uploads) -> None:
    part = any_uploads.part(b"one")
    assert (any_uploads.names(), any_uploads.get(part).is_finished) == ([], False)
    assert any_uploads.get(part).kind is UploadKind.PARTIAL


@pytest.mark.parametrize("lengths", [pytest.param(True, id="known-lengths"), pytest.param(False, id="unknown-lengths")])
def test_parts_may_come_after_the_final_upload_was_asked_for(any_uploads: Uploads, lengths: bool) -> None:
    one, two = (any_uploads.part(length=3 if lengths else None) for _ in range(2))
    final = any_uploads.concatenate(one, two)
    assert (final.is_finished, final.length) == (False, 6 if lengths else None)
    any_uploads.send(two, 0, b"two", length=3)
    assert not any_uploads.get(final).is_finished
    any_uploads.send(one, 0, b"one", length=3)
    assert any_uploads.file("joined.bin") == b"onetwo"
    assert any_uploads.get(final).is_finished


def test_empty_parts_add_nothing(any_uploads: Uploads) -> None:
    final = any_uploads.concatenate(any_uploads.part(length=0), any_uploads.part(b"abc"), any_uploads.part(length=0))
    assert any_uploads.file("joined.bin") == b"abc"
    assert any_uploads.blobs() == {final.id}


def test_only_empty_parts_make_an_empty_file(any_uploads: Uploads) -> None:
    parts = [any_uploads.part(length=0), any_uploads.part(length=0)]
    assert any_uploads.concatenate(*parts).is_finished
    assert {any_uploads.error_of(lambda: any_uploads.get(part)) for part in parts} == {UploadEnded}  # noqa: B023
    assert (any_uploads.file("joined.bin"), any_uploads.rows()) == (b"", 1)


def test_large_parts_are_copied_whole(uploads: Uploads) -> None:
    data = [bytes([number]) * (number * MEBIBYTE + number) for number in (1, 2, 3)]
    uploads.concatenate(*[uploads.part(each) for each in data])
    assert uploads.file("joined.bin") == b"".join(data)


def test_a_final_upload_has_a_name_like_any_other(uploads: Uploads) -> None:
    uploads.store(b"x", "joined.bin")
    assert uploads.concatenate(uploads.part(b"one")).name == "joined (2).bin"
    uploads.concatenate(uploads.part(b"two"), overwrite=True)
    assert (uploads.file("joined.bin"), uploads.file("joined (2).bin")) == (b"two", b"one")


@pytest.mark.parametrize("case", ["unknown", "spent", "twice", "whole", "final", "another-account", "cancelled"])
def test_what_is_no_part_is_refused(any_uploads: Uploads, case: str) -> None:
    part = any_uploads.part(b"one")
    parts = [part]
    if case == "unknown":
        parts = [part, any_uploads.begin(1)]
    elif case == "spent":
        any_uploads.concatenate(part)
    elif case == "twice":
        parts = [part, part]
    elif case == "whole":
        parts = [any_uploads.begin(3)]
    elif case == "final":
        parts = [any_uploads.concatenate(any_uploads.part(length=3))]
    elif case == "another-account":
        parts = [part, any_uploads.another_account().part(b"two")]
    else:
        any_uploads.cancel(part)
    before = (any_uploads.rows(), any_uploads.used_bytes(), any_uploads.names())
    assert any_uploads.error_of(lambda: any_uploads.concatenate(*parts, name="new")) is InvalidRequest
    assert (any_uploads.rows(), any_uploads.used_bytes(), any_uploads.names()) == before


def test_an_id_that_never_was_is_refused(uploads: Uploads) -> None:
    with pytest.raises(InvalidRequest):
        uploads.services.concatenation.check_parts(uploads.account_id, [uuid.uuid4()])


def test_parts_that_are_too_large_together_are_refused(make_uploads: Callable[..., Uploads]) -> None:
    uploads = make_uploads(max_file_bytes=5)
    parts = [uploads.part(b"one"), uploads.part(b"two")]
    assert uploads.error_of(lambda: uploads.concatenate(*parts)) is TooLarge
    assert [uploads.get(part).offset for part in parts] == [3, 3]


def test_parts_that_grew_too_large_together_stay_as_they_are(make_uploads: Callable[..., Uploads]) -> None:
    uploads = make_uploads(max_file_bytes=5)
    one, two = uploads.part(), uploads.part()
    final = uploads.concatenate(one, two)
    uploads.send(one, 0, b"one", length=3)
    uploads.send(two, 0, b"two", length=3)
    assert uploads.error_of(lambda: uploads.get(final)) is TooLarge
    assert ([uploads.get(part).offset for part in (one, two)], uploads.names()) == ([3, 3], [])


def test_joining_needs_no_more_quota_than_the_parts_have(make_uploads: Callable[..., Uploads]) -> None:
    uploads = make_uploads(quota_bytes=6)
    parts = [uploads.part(b"one"), uploads.part(b"two")]
    assert uploads.error_of(lambda: uploads.begin(1)) is QuotaExceeded
    assert uploads.concatenate(*parts).is_finished
    assert (uploads.used_bytes(), uploads.file("joined.bin")) == (6, b"onetwo")


@pytest.mark.parametrize("others", [pytest.param(True, id="others-whole"), pytest.param(False, id="others-unfinished")])
def test_a_cancelled_part_ends_the_final_upload(any_uploads: Uploads, others: bool) -> None:
    lost, other = any_uploads.part(length=3), any_uploads.part(length=3)
    final = any_uploads.concatenate(lost, other)
    any_uploads.cancel(lost)
    sent = any_uploads.send(other, 0, b"two" if others else b"tw")
    assert sent.offset == (3 if others else 2)
    assert any_uploads.error_of(lambda: any_uploads.look(final)) is UploadEnded
    assert (any_uploads.names(), any_uploads.used_bytes(), any_uploads.blobs()) == ([], 3, {other.id})


def test_a_part_serves_the_first_final_upload_that_is_whole(any_uploads: Uploads) -> None:
    one, two = any_uploads.part(b"one"), any_uploads.part(length=3)
    first, second = any_uploads.concatenate(one, two, name="a"), any_uploads.concatenate(two, one, name="b")
    any_uploads.send(two, 0, b"two")
    errors = sorted(str(any_uploads.error_of(lambda: any_uploads.get(final))) for final in (first, second))  # noqa: B023
    assert errors == [str(UploadEnded), str(None)]
    assert (len(any_uploads.names()), any_uploads.used_bytes(), len(any_uploads.blobs())) == (1, 6, 1)


def test_the_same_request_again_finds_what_it_made(any_uploads: Uploads) -> None:
    final = any_uploads.concatenate(any_uploads.part(b"one"))
    header = final.concat_header or ""
    find = any_uploads.services.concatenation.find_repeated
    assert find(any_uploads.account_id, header) == final
    assert find(any_uploads.another_account().account_id, header) is None
    any_uploads.cancel(final)
    assert find(any_uploads.account_id, header) is None


def test_a_cancelled_final_upload_leaves_its_parts(any_uploads: Uploads) -> None:
    part = any_uploads.part(length=3)
    final = any_uploads.concatenate(part)
    any_uploads.cancel(final)
    assert any_uploads.send(part, 0, b"one").offset == 3
    assert any_uploads.concatenate(part, name="again").is_finished
    assert any_uploads.names() == ["again"]


def test_a_whole_that_was_not_promised_is_no_file(any_uploads: Uploads) -> None:
    part = any_uploads.part(length=3)
    final = any_uploads.concatenate(part, repr_digest=repr_digest(b"other"))
    assert any_uploads.send(part, 0, b"one").offset == 3
    assert (any_uploads.get(final).is_finished, any_uploads.get(final).offset) == (False, 3)
    any_uploads.cancel(final)
    assert (any_uploads.names(), any_uploads.used_bytes(), any_uploads.blobs()) == ([], 0, set())
