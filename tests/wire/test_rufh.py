"""Reading and printing the header fields of the IETF draft of resumable uploads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from transfer_service.errors import InconsistentLength, InvalidRequest, TransferError, UnsupportedMediaType
from transfer_service.wire import rufh
from transfer_service.wire.rufh import Append, Creation, Version

LARGEST = 10**15 - 1
EVERY = [pytest.param(version, id=version.name) for version in Version]
PATCH = {"Content-Type": "application/partial-upload", "Upload-Offset": "5", "Upload-Complete": "?0"}
FIELDS = ("Upload-Draft-Interop-Version", "Upload-Complete", "Upload-Incomplete", "Upload-Offset", "Upload-Length")
ANY_VALUE = st.text(max_size=30) | st.text('?01;q="=: -.a*%@', max_size=30)
IANA = "https://iana.org/assignments/http-problem-types#"


def appended(
    changes: dict[str, str | None], *, version: Version = Version.V8, content_length: int | None = 7
) -> Append:
    """Parse a PATCH at 5 that goes on, with `changes` to its fields (None: without the field)."""
    fields = {name: value for name, value in (PATCH | changes).items() if value is not None}
    return rufh.parse_append(version, fields, content_length=content_length)


def completeness(version: Version, *, is_complete: bool) -> dict[str, str]:
    """The field of completeness, spelled out apart from the parser."""
    if version is Version.V3:
        return {"Upload-Incomplete": "?0" if is_complete else "?1"}
    return {"Upload-Complete": "?1" if is_complete else "?0"}


# Version


@pytest.mark.parametrize(
    ("value", "version"),
    [
        pytest.param("3", Version.V3, id="3"),
        pytest.param("5", Version.V5, id="5"),
        pytest.param("6", Version.V6, id="6"),
        pytest.param("8", Version.V8, id="8"),
        pytest.param(" 8 ", Version.V8, id="spaces-around"),
        pytest.param("008", Version.V8, id="leading-zeros"),
        pytest.param('6;a;b=1.5; c="x;\\"y";d=tok:en;*e=?0;f=:AA==:;g=@-1;h=%"%c3%bc"', Version.V6, id="parameters"),
    ],
)
def test_a_known_version_is_read_and_may_get_interim_responses(value: str, version: Version) -> None:
    headers = {"Upload-Draft-Interop-Version": value}
    assert rufh.parse_version(headers) is version
    assert rufh.wants_interim(headers)


def test_a_request_without_a_version_is_in_8_and_gets_no_interim_response() -> None:
    assert rufh.parse_version({}) is Version.V8
    assert not rufh.wants_interim({})


@pytest.mark.parametrize(
    "value",
    [
        *[pytest.param(str(number), id=str(number)) for number in (-8, 0, 1, 2, 4, 7, 9, 10**14)],
        pytest.param("", id="empty"),
        pytest.param("6.0", id="decimal"),
        pytest.param('"6"', id="string"),
        pytest.param("draft", id="token"),
        pytest.param("6, 6", id="sent-twice"),
        pytest.param("6;", id="parameter-without-a-key"),
        pytest.param("6;Q=1", id="parameter-in-capitals"),
        pytest.param("6 ;a", id="space-before-a-parameter"),
        pytest.param("6;a=", id="parameter-without-a-value"),
        pytest.param("0000000000000006", id="16-digits"),
        pytest.param("٦", id="arabic-digit"),
        pytest.param("6\n", id="newline"),
    ],
)
def test_any_other_version_is_refused_with_those_there_are(value: str) -> None:
    with pytest.raises(rufh.UnsupportedInteropVersion, match="must be 3, 5, 6 or 8"):
        rufh.parse_version({"Upload-Draft-Interop-Version": value})


@given(values=st.tuples(*[ANY_VALUE] * len(FIELDS)), content_length=st.none() | st.integers(0, LARGEST))
def test_any_fields_give_values_or_a_refusal(values: tuple[str, ...], content_length: int | None) -> None:
    fields = dict(zip(FIELDS, values, strict=True)) | {"Content-Type": rufh.MEDIA_TYPE}
    for version in Version:
        try:
            append = rufh.parse_append(version, fields, content_length=content_length)
        except InvalidRequest:
            continue
        assert 0 <= append.offset <= LARGEST
        assert append.length is None or append.length >= 0


# Creation


@pytest.mark.parametrize("version", EVERY)
@pytest.mark.parametrize(
    ("is_complete", "upload_length", "content_length", "length"),
    [
        pytest.param(True, None, 100, 100, id="complete"),
        pytest.param(True, "100", 100, 100, id="complete-told-twice"),
        pytest.param(True, "100", None, 100, id="complete-chunked-told"),
        pytest.param(True, None, None, None, id="complete-chunked"),
        pytest.param(True, None, 0, 0, id="empty"),
        pytest.param(False, "100", 25, 100, id="first-part"),
        pytest.param(False, None, 25, None, id="first-part-of-unknown"),
        pytest.param(False, "0", 0, 0, id="nothing-yet"),
        pytest.param(False, "100;q=1", 25, 100, id="parameter"),
        pytest.param(False, "abc", 25, None, id="length-ignored-word"),
        pytest.param(False, "-1", 25, None, id="length-ignored-negative"),
        pytest.param(False, "100.0", 25, None, id="length-ignored-decimal"),
        pytest.param(False, "1" * 16, 25, None, id="length-ignored-16-digits"),
        pytest.param(True, "?1", 25, 25, id="length-ignored-for-the-body's"),
    ],
)
def test_a_creation_tells_completeness_and_length(
    version: Version, is_complete: bool, upload_length: str | None, content_length: int | None, length: int | None
) -> None:
    fields = completeness(version, is_complete=is_complete)
    if upload_length is not None:
        fields["Upload-Length"] = upload_length
    creation = rufh.parse_creation(version, Headers(fields), content_length=content_length)
    assert creation == Creation(is_complete, length)


@pytest.mark.parametrize("version", EVERY)
def test_a_creation_that_does_not_tell_its_completeness_is_complete(version: Version) -> None:
    assert rufh.parse_creation(version, {}, content_length=3) == Creation(is_complete=True, length=3)


@pytest.mark.parametrize("version", EVERY)
@pytest.mark.parametrize("value", ["", "1", "0", "true", "?2", "?", "?1, ?1", '"?1"', "?1;", "??1"])
def test_a_malformed_completeness_is_never_taken_for_complete(version: Version, value: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{version.completeness_field} must be"):
        rufh.parse_creation(version, {version.completeness_field: value}, content_length=3)


@pytest.mark.parametrize("version", EVERY)
def test_a_creation_with_two_lengths_is_refused(version: Version) -> None:
    fields = completeness(version, is_complete=True) | {"Upload-Length": "101"}
    with pytest.raises(InconsistentLength):
        rufh.parse_creation(version, fields, content_length=100)


def test_each_version_reads_its_own_field_of_completeness() -> None:
    fields = {"Upload-Incomplete": "?1", "Upload-Complete": "?1"}
    complete = [rufh.parse_creation(version, fields, content_length=None).is_complete for version in Version]
    assert complete == [False, True, True, True]


# Append


@pytest.mark.parametrize(
    ("changes", "content_length", "append"),
    [
        pytest.param({}, 7, Append(5, is_complete=False, length=None), id="goes-on"),
        pytest.param({"Upload-Complete": "?1"}, 7, Append(5, is_complete=True, length=12), id="last"),
        pytest.param({"Upload-Complete": "?1"}, None, Append(5, is_complete=True, length=None), id="last-chunked"),
        pytest.param({"Upload-Complete": "?1"}, 0, Append(5, is_complete=True, length=5), id="last-and-empty"),
        pytest.param({"Upload-Complete": " ?1;x"}, 7, Append(5, is_complete=True, length=12), id="parameter"),
        pytest.param({"Upload-Length": "99"}, 7, Append(5, is_complete=False, length=99), id="length-told-now"),
        pytest.param(
            {"Upload-Complete": "?1", "Upload-Length": "12"}, 7, Append(5, is_complete=True, length=12), id="told-twice"
        ),
        pytest.param({"Upload-Length": "x"}, 7, Append(5, is_complete=False, length=None), id="length-ignored"),
        pytest.param({"Upload-Offset": "0"}, 7, Append(0, is_complete=False, length=None), id="at-the-start"),
        pytest.param(
            {"Upload-Offset": str(LARGEST)}, 7, Append(LARGEST, is_complete=False, length=None), id="15-digits"
        ),
        pytest.param(
            {"Content-Type": "Application/Partial-Upload ; a=b"},
            7,
            Append(5, is_complete=False, length=None),
            id="case",
        ),
    ],
)
def test_an_append_is_read(changes: dict[str, str | None], content_length: int | None, append: Append) -> None:
    assert appended(changes, content_length=content_length) == append


@pytest.mark.parametrize("version", EVERY)
@pytest.mark.parametrize(
    "offset",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("-1", id="negative"),
        pytest.param("5.0", id="decimal"),
        pytest.param('"5"', id="string"),
        pytest.param("5, 5", id="sent-twice"),
        pytest.param("1" * 16, id="16-digits"),
        pytest.param("0x5", id="hexadecimal"),
        pytest.param("+5", id="plus"),
    ],
)
def test_an_append_without_a_whole_offset_is_refused(version: Version, offset: str | None) -> None:
    with pytest.raises(InvalidRequest, match="Upload-Offset is missing or not"):
        appended({"Upload-Offset": offset}, version=version)


@pytest.mark.parametrize(
    ("version", "is_complete"),
    [
        pytest.param(Version.V3, True, id="V3-last"),
        pytest.param(Version.V5, False, id="V5-goes-on"),
        pytest.param(Version.V6, False, id="V6-goes-on"),
    ],
)
def test_an_append_that_does_not_tell_its_completeness(version: Version, is_complete: bool) -> None:
    assert appended({"Upload-Complete": None}, version=version).is_complete is is_complete


@pytest.mark.parametrize("value", [pytest.param(None, id="missing"), pytest.param("1", id="malformed")])
def test_an_append_in_8_must_tell_its_completeness(value: str | None) -> None:
    with pytest.raises(InvalidRequest, match="Upload-Complete"):
        appended({"Upload-Complete": value})


@pytest.mark.parametrize("version", EVERY)
def test_a_last_append_that_ends_elsewhere_than_its_length_is_refused(version: Version) -> None:
    fields = completeness(version, is_complete=True) | {"Upload-Length": "13"}
    with pytest.raises(InconsistentLength):
        appended({**fields}, version=version)


@pytest.mark.parametrize("value", [None, "", "application/octet-stream", "application/offset+octet-stream"])
@pytest.mark.parametrize("version", EVERY)
def test_the_media_type_of_an_append_counts_since_6(version: Version, value: str | None) -> None:
    if version in {Version.V3, Version.V5}:
        assert appended({"Content-Type": value}, version=version).offset == 5
        return
    with pytest.raises(UnsupportedMediaType, match="must be application/partial-upload"):
        appended({"Content-Type": value}, version=version)


# Retrieval and cancellation


@pytest.mark.parametrize(
    ("field", "refusing"),
    [
        pytest.param("Upload-Offset", {Version.V3, Version.V5, Version.V6}, id="offset"),
        pytest.param("Upload-Complete", {Version.V5, Version.V6}, id="complete"),
        pytest.param("Upload-Incomplete", {Version.V3}, id="incomplete"),
        pytest.param("Upload-Length", {Version.V6}, id="length"),
        pytest.param("Upload-Metadata", set(), id="unrelated"),
    ],
)
def test_the_state_of_an_upload_is_not_part_of_a_retrieval_before_8(field: str, refusing: set[Version]) -> None:
    refused = set()
    for version in Version:
        try:
            rufh.check_retrieval(version, Headers({field.lower(): "?1"}))
        except TransferError as refusal:
            assert refusal.detail == f"{field} is not allowed in this request"
            refused.add(version)
    assert refused == refusing


# Printing


@pytest.mark.parametrize("version", EVERY)
@pytest.mark.parametrize("is_complete", [True, False])
def test_progress_is_offset_completeness_and_a_known_length(version: Version, is_complete: bool) -> None:
    headers = rufh.progress_headers(version, offset=7, is_complete=is_complete, length=9)
    expected = {"Upload-Offset": "7", "Upload-Length": "9"}
    assert headers == expected | completeness(version, is_complete=is_complete)


@given(
    version=st.sampled_from(Version), offset=st.integers(0, LARGEST), is_complete=st.booleans(), more=st.integers(0, 9)
)
def test_what_is_printed_reads_as_what_was_meant(version: Version, offset: int, is_complete: bool, more: int) -> None:
    headers = rufh.progress_headers(version, offset=offset, is_complete=is_complete, length=min(offset + more, LARGEST))
    append = rufh.parse_append(version, headers | {"Content-Type": rufh.MEDIA_TYPE}, content_length=None)
    assert append == Append(offset, is_complete, min(offset + more, LARGEST))


@pytest.mark.parametrize(
    ("version", "seconds", "value"),
    [
        pytest.param(Version.V3, 60, None, id="unknown-in-3"),
        pytest.param(Version.V5, 60, None, id="unknown-in-5"),
        pytest.param(Version.V6, 60, "max-size=1000, expires=60", id="6"),
        pytest.param(Version.V8, 60, "max-size=1000, max-age=60", id="8"),
        pytest.param(Version.V8, 0, "max-size=1000, max-age=0", id="last-second"),
        pytest.param(Version.V8, -5, "max-size=1000, max-age=0", id="overdue"),
        pytest.param(Version.V8, None, "max-size=1000", id="nothing-to-expire"),
    ],
)
def test_limits_are_told_in_the_words_of_the_version(version: Version, seconds: int | None, value: str | None) -> None:
    assert rufh.limit_header(version, max_bytes=1000, max_age_seconds=seconds) == value


def test_a_limit_stays_an_integer_of_structured_fields() -> None:
    assert rufh.limit_header(Version.V8, max_bytes=2**63, max_age_seconds=None) == f"max-size={LARGEST}"


@pytest.mark.parametrize("version", EVERY)
def test_the_first_interim_response_names_the_version_and_the_upload(version: Version) -> None:
    response = rufh.interim_response(version, location="/api/uploads/1", limits="max-size=9")
    assert response.split(b"\r\n") == [
        b"HTTP/1.1 104 Upload Resumption Supported",
        b"Upload-Draft-Interop-Version: %d" % version.value,
        b"Location: /api/uploads/1",
        b"Upload-Limit: max-size=9",
        b"",
        b"",
    ]


@pytest.mark.parametrize("version", EVERY)
def test_what_differs_between_versions(version: Version) -> None:
    assert version.incomplete_append_status == (204 if version is Version.V8 else 201)


# Problems


def test_problems_have_the_registered_types() -> None:
    assert rufh.problem_mismatching_offset(expected=100, provided=200) == {
        "type": IANA + "mismatching-upload-offset",
        "title": "Mismatching Upload Offset",
        "expected-offset": 100,
        "provided-offset": 200,
    }
    assert rufh.problem_completed()["type"] == IANA + "completed-upload"
    assert rufh.problem_inconsistent_length()["type"] == IANA + "inconsistent-upload-length"
