"""PATCH without `Tus-Resumable`: continuing an upload in the words of the IETF draft."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.web.conftest import MakeApp, SignIn, signed_in
from tests.web.uploads.bench import (
    DRAFT_BYTES,
    ROOT,
    UNKNOWN,
    Draft,
    Headers,
    digest,
    id_of,
    left_on,
    problem,
    receiving,
)

LIMIT = 10 * 1024**3
NEXT = {3: 201, 5: 201, 6: 201, 8: 204}


def test_an_append_is_answered_with_the_new_offset(draft: Draft) -> None:
    location = draft.begin(b"hel")
    response = draft.patch(location, b"lo", offset=3)
    assert (response.status_code, response.data, response.headers["Upload-Offset"]) == (NEXT[draft.version], b"", "5")
    assert (draft.told(response), "Location" in response.headers) == (False, False)
    assert draft.state(location) == ("5", False)


@pytest.mark.parametrize("data", [b"lo", b""], ids=["bytes", "no-bytes"])
def test_the_last_append_makes_a_file(draft: Draft, data: bytes) -> None:
    location = draft.begin(b"hel")
    response = draft.patch(location, data, offset=3, complete=True)
    assert (response.status_code // 100, draft.told(response)) == (2, True)
    assert response.headers["Upload-Offset"] == str(3 + len(data))
    assert draft.device.get(f"/api/files/{response.headers['X-File-Id']}/download").data == b"hel" + data


def test_an_append_that_brings_nothing_changes_nothing(draft: Draft) -> None:
    location = draft.begin(b"hel")
    response = draft.patch(location, b"", offset=3)
    assert (response.status_code, response.headers["Upload-Offset"]) == (NEXT[draft.version], "3")
    assert draft.state(location) == ("3", False)


def test_reaching_the_length_does_not_end_an_upload(draft: Draft) -> None:
    location = draft.begin(b"hel", {"Upload-Length": "5"})
    assert draft.told(draft.patch(location, b"lo", offset=3)) is False
    assert draft.state(location) == ("5", False)
    assert draft.told(draft.patch(location, b"", offset=5, complete=True)) is True


@pytest.mark.parametrize(
    ("version", "status", "complete"),
    [
        pytest.param(3, 2, True, id="3-it-was-the-last"),
        pytest.param(5, 2, False, id="5-there-is-more"),
        pytest.param(6, 2, False, id="6-there-is-more"),
        pytest.param(8, 4, False, id="8-refused"),
    ],
)
def test_an_append_that_does_not_tell_whether_it_is_the_last(
    shared_device: Device, version: int, status: int, complete: bool | None
) -> None:
    draft = Draft(shared_device, version)
    location = draft.begin(b"hel")
    response = draft.patch(location, b"lo", offset=3, complete=None)
    assert (response.status_code // 100, draft.told(response)) == (status, complete)
    assert draft.state(location) == ("3" if status == 4 else "5", bool(complete))


@pytest.mark.parametrize("media_type", [None, "application/octet-stream", "application/offset+octet-stream"])
def test_the_type_of_the_body_counts_since_6(draft: Draft, media_type: str | None) -> None:
    location = draft.begin(b"hel")
    response = draft.patch(location, b"lo", {"Content-Type": media_type}, offset=3)
    refused = draft.version >= 6
    assert response.status_code == (415 if refused else 201)
    assert response.headers.get("Accept-Patch") == (DRAFT_BYTES if refused else None)
    assert draft.state(location) == ("3" if refused else "5", False)


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        pytest.param({"Upload-Offset": "3;a=b"}, b"lo", id="offset-with-a-parameter"),
        pytest.param({"Upload-Offset": " 3 "}, b"lo", id="offset-with-blanks"),
        pytest.param({"Upload-Length": "5"}, b"lo", id="the-length"),
        pytest.param({"Upload-Length": "x"}, b"lo", id="a-length-that-is-none"),
        pytest.param({"Content-Type": f"{DRAFT_BYTES}; a=b"}, b"lo", id="type-with-a-parameter"),
        pytest.param({"Content-Type": DRAFT_BYTES.upper()}, b"lo", id="type-in-capitals"),
    ],
)
def test_an_append_in_other_words(draft: Draft, headers: Headers, data: bytes) -> None:
    location = draft.begin(b"hel", {"Upload-Length": "5"})
    response = draft.patch(location, data, headers, offset=3, complete=True)
    assert (response.status_code // 100, draft.told(response)) == (2, True)
    assert draft.state(location) == ("5", True)


@pytest.mark.parametrize(
    ("headers", "data", "complete", "status", "kind"),
    [
        pytest.param({"Upload-Draft-Interop-Version": "4"}, b"lo", False, 400, "about:blank", id="version-4"),
        pytest.param({"Upload-Draft-Interop-Version": "x"}, b"lo", False, 400, "about:blank", id="version-word"),
        pytest.param({"Upload-Offset": None}, b"lo", False, 400, "about:blank", id="no-offset"),
        pytest.param({"Upload-Offset": "-3"}, b"lo", False, 400, "about:blank", id="negative-offset"),
        pytest.param({"Upload-Offset": "3.0"}, b"lo", False, 400, "about:blank", id="decimal-offset"),
        pytest.param({"Upload-Offset": '"3"'}, b"lo", False, 400, "about:blank", id="offset-a-string"),
        pytest.param({"Upload-Offset": "3, 3"}, b"lo", False, 400, "about:blank", id="two-offsets"),
        pytest.param({"Upload-Offset": "9" * 16}, b"lo", False, 400, "about:blank", id="offset-of-16-digits"),
        pytest.param({"Upload-Offset": ""}, b"lo", False, 400, "about:blank", id="empty-offset"),
        pytest.param({"completeness": "?2"}, b"lo", None, 400, "about:blank", id="completeness-no-boolean"),
        pytest.param({"completeness": "yes"}, b"lo", None, 400, "about:blank", id="completeness-a-word"),
        pytest.param({"Upload-Offset": "0"}, b"hello", False, 409, "mismatching-upload-offset", id="from-the-start"),
        pytest.param({"Upload-Offset": "2"}, b"lo", False, 409, "mismatching-upload-offset", id="one-before"),
        pytest.param({"Upload-Offset": "4"}, b"o", True, 409, "mismatching-upload-offset", id="one-behind"),
        pytest.param({"Upload-Offset": "9" * 15}, b"o", False, 409, "mismatching-upload-offset", id="far-behind"),
        pytest.param({"Upload-Offset": "5"}, b"", True, 409, "mismatching-upload-offset", id="no-bytes-behind"),
        pytest.param({}, b"l", True, 400, "inconsistent-upload-length", id="the-last-but-too-few"),
        pytest.param({}, b"", True, 400, "inconsistent-upload-length", id="the-last-but-none"),
        pytest.param({"Upload-Length": "6"}, b"lo", False, 400, "inconsistent-upload-length", id="longer-length"),
        pytest.param({"Upload-Length": "4"}, b"l", True, 400, "inconsistent-upload-length", id="shorter-length"),
        pytest.param({"Upload-Length": "6"}, b"lo", True, 400, "inconsistent-upload-length", id="not-what-comes"),
        pytest.param({}, b"lo!", False, 413, "about:blank", id="past-the-length"),
        pytest.param({"Content-Digest": "x"}, b"lo", False, 400, "about:blank", id="malformed-digest"),
        pytest.param({"Content-Digest": digest(b"x")}, b"lo", True, 400, "about:blank", id="wrong-digest"),
        pytest.param({"Repr-Digest": "x"}, b"lo", True, 400, "about:blank", id="malformed-repr-digest"),
        pytest.param({"Authorization": "Bearer nonsense"}, b"lo", True, 401, "about:blank", id="bad-token"),
    ],
)
def test_a_refused_append_stores_nothing(
    draft: Draft, headers: dict[str, str | None], data: bytes, complete: bool | None, status: int, kind: str
) -> None:
    location = draft.begin(b"hel", {"Upload-Length": "5"})
    before = left_on(draft.device)
    named = {draft.completeness_field if name == "completeness" else name: value for name, value in headers.items()}
    response = draft.patch(location, data, named, offset=3, complete=complete)
    assert problem(response) == (status, kind), response.text
    assert (left_on(draft.device), draft.state(location)) == (before, ("3", False))
    assert response.headers.get("Upload-Offset") == ("3" if status == 409 else None)
    told_in = 8 if "Upload-Draft-Interop-Version" in headers else draft.version
    assert Draft(draft.device, told_in).told(response) is False
    assert ("Upload-Limit" in response.headers) is (status == 413)


def test_more_than_was_announced_at_last_is_past_the_length_too(draft: Draft) -> None:
    location = draft.begin(b"hel", {"Upload-Length": "5"})
    before = left_on(draft.device)
    response = draft.patch(location, b"lo!", offset=3, complete=True)
    assert response.status_code in {400, 413}  # the lengths contradict each other, and it is too much
    assert (left_on(draft.device), draft.state(location)) == (before, ("3", False))


def test_a_mismatch_tells_both_offsets(draft: Draft) -> None:
    location = draft.begin(b"hel")
    response = draft.patch(location, b"o", offset=4)
    fields = response.get_json()
    assert (fields["expected-offset"], fields["provided-offset"]) == (3, 4)
    assert (response.headers["Upload-Offset"], draft.state(location)) == ("3", ("3", False))


@pytest.mark.parametrize(
    ("data", "offset", "complete", "status", "kind"),
    [
        pytest.param(b"lo", 3, True, 409, "mismatching-upload-offset", id="the-last-append-again"),
        pytest.param(b"", 3, True, 409, "mismatching-upload-offset", id="nothing-from-before"),
        pytest.param(b"", 5, False, 400, "completed-upload", id="nothing-and-more-to-come"),
        pytest.param(b"!", 5, True, 400, "inconsistent-upload-length", id="more"),
        pytest.param(b"!", 5, False, 400, "inconsistent-upload-length", id="more-and-more-to-come"),
    ],
)
def test_nothing_can_be_appended_to_a_finished_upload(
    draft: Draft, data: bytes, offset: int, complete: bool, status: int, kind: str
) -> None:
    location = draft.finish()
    before = left_on(draft.device)
    response = draft.patch(location, data, offset=offset, complete=complete)
    assert problem(response) == (status, kind), response.text
    is_mismatch = status == 409  # answered as ever: at that offset the client is told that it is whole
    assert (draft.told(response), response.headers.get("Upload-Offset")) == (
        (False, "5") if is_mismatch else (None, None)
    )
    assert (left_on(draft.device), draft.state(location)) == (before, ("5", True))


def test_the_final_answer_is_given_again_to_who_lost_it(draft: Draft) -> None:
    location = draft.finish()
    before = left_on(draft.device)
    response = draft.patch(location, b"", offset=5, complete=True)
    assert (response.status_code, draft.told(response), response.headers["X-File-Id"]) == (
        200,
        True,
        str(id_of(location)),
    )
    assert left_on(draft.device) == before


def gone(draft: Draft) -> str:
    location = draft.begin(b"hel")
    draft.delete(location)
    return location


@pytest.mark.parametrize(
    ("make", "who", "status"),
    [
        pytest.param(lambda _: UNKNOWN, "alice", 404, id="unknown"),
        pytest.param(lambda _: f"{ROOT}/nonsense", "alice", 404, id="no-id"),
        pytest.param(lambda draft: draft.begin(), "bob", 404, id="another-account's"),
        pytest.param(lambda draft: draft.begin(), "root", 404, id="as-an-administrator"),
        pytest.param(gone, "alice", 410, id="gone"),
        pytest.param(gone, "bob", 404, id="another-account's-gone"),
        pytest.param(lambda _: ROOT, "alice", 405, id="the-collection"),
    ],
)
def test_what_is_not_there_takes_nothing(
    draft: Draft, shared_app: Flask, make: Callable[[Draft], str], who: str, status: int
) -> None:
    location = make(draft)
    before = left_on(draft.device)
    asking = draft if who == "alice" else Draft(signed_in(shared_app, who), draft.version)
    response = asking.patch(location)
    assert problem(response) == (status, "about:blank")
    assert (left_on(draft.device), "Upload-Offset" in response.headers) == (before, False)


def test_an_expired_upload_takes_nothing(device: Device, clock: Clock) -> None:
    draft = Draft(device)
    location = draft.begin(b"hel")
    clock.advance(hours=24)
    before = left_on(device)
    assert problem(draft.patch(location, b"lo", offset=3)) == (410, "about:blank")
    assert left_on(device) == before


@pytest.mark.parametrize("version", [3, 8])
def test_an_upload_that_another_request_holds_is_busy(shared_device: Device, version: int) -> None:
    draft = Draft(shared_device, version)
    location = draft.begin(b"hel")
    with receiving(draft.device, location, 3):
        response = draft.patch(location, b"lo", offset=3)
    assert (problem(response), int(response.headers["Retry-After"])) == ((503, "about:blank"), 1)
    assert (draft.told(response), "Upload-Offset" in response.headers) == (False, False)
    assert draft.state(location) == ("3", False)
    assert draft.patch(location, b"lo", offset=3, complete=True).headers["X-File-Id"] == str(id_of(location))


@pytest.mark.parametrize("complete", [True, False])
def test_a_body_cut_short_keeps_what_arrived_and_is_not_complete(draft: Draft, complete: bool) -> None:
    location = draft.begin()
    response = draft.patch(location, b"hel", complete=complete, environ_overrides={"CONTENT_LENGTH": "5"})
    assert problem(response) == (400, "about:blank")
    assert draft.state(location) == ("3", False)
    assert draft.told(draft.patch(location, b"lo", offset=3, complete=True)) is True


CHUNKED: dict[str, Any] = {"environ_overrides": {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}}


@pytest.mark.parametrize(
    ("data", "statuses"), [(b"lo", {200, 201, 204}), (b"l", {400}), (b"lo!", {400, 413})], ids=["all", "less", "more"]
)
def test_a_last_chunked_body_must_end_at_the_length(draft: Draft, data: bytes, statuses: set[int]) -> None:
    location = draft.begin(b"hel", {"Upload-Length": "5"})
    response = draft.patch(location, data, {"Transfer-Encoding": "chunked"}, offset=3, complete=True, **CHUNKED)
    assert response.status_code in statuses
    offset, complete = draft.state(location)
    assert (complete, int(offset or "9") <= 5) == (data == b"lo", True)


def test_an_append_past_the_quota_can_be_made_again(make_app: MakeApp, sign_in: SignIn) -> None:
    draft = Draft(sign_in(make_app(quota_bytes=10), "alice"))
    other, location = draft.begin(b"", {"Upload-Length": "4"}), draft.begin(b"hello")
    response = draft.patch(location, b" world", offset=5)
    assert (problem(response)[0], response.headers["Upload-Limit"]) == (413, f"max-size={LIMIT}, max-age=86400")
    draft.delete(other)
    assert draft.patch(location, b"world", offset=5, complete=True).headers["Upload-Offset"] == "10"


def test_an_append_may_be_in_another_version_than_the_creation(shared_device: Device) -> None:
    location = Draft(shared_device, 3).begin(b"hel")
    response = Draft(shared_device, 8).patch(location, b"lo", offset=3, complete=True)
    assert (response.headers["Upload-Complete"], Draft(shared_device, 3).state(location)) == ("?1", ("5", True))
