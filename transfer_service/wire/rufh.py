"""Resumable Uploads for HTTP, the IETF draft (draft-ietf-httpbis-resumable-upload): its header fields as values.

The interop versions here are those of the drafts -01 (3), -03 (5), -04 and -05 (6), and -09 and later (8).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from transfer_service.errors import InconsistentLength, InvalidRequest, UnsupportedMediaType
from transfer_service.wire.conditions import FieldValues
from transfer_service.wire.structured_fields import parse_boolean, parse_integer

VERSION_FIELD: Final = "Upload-Draft-Interop-Version"
MEDIA_TYPE: Final = "application/partial-upload"
_PROBLEM_TYPES: Final = "https://iana.org/assignments/http-problem-types#"
_LARGEST: Final = 10**15 - 1  # an Integer has at most 15 digits (RFC 9651 section 3.3.1)


class UnsupportedInteropVersion(InvalidRequest):
    """The client speaks a version of the draft that is not spoken here."""

    code = "unsupported_interop_version"
    detail = f"{VERSION_FIELD} must be 3, 5, 6 or 8"


class Version(Enum):
    """An interop version of the draft."""

    V3 = 3
    V5 = 5
    V6 = 6
    V8 = 8

    @property
    def completeness_field(self) -> str:
        """The field that says whether the upload is whole; in 3 it says the opposite."""
        return "Upload-Incomplete" if self is Version.V3 else "Upload-Complete"

    @property
    def requires_media_type(self) -> bool:
        """Whether bytes are appended as `MEDIA_TYPE` only (since -04)."""
        return self in {Version.V6, Version.V8}

    @property
    def lifetime_key(self) -> str | None:
        """The member of Upload-Limit with the seconds that an upload has left; None in versions without that field."""
        return {Version.V6: "expires", Version.V8: "max-age"}.get(self)

    @property
    def incomplete_append_status(self) -> int:
        """The status of a successful append that leaves the upload unfinished."""
        return 204 if self is Version.V8 else 201


@dataclass(frozen=True, slots=True)
class Creation:
    """What a creating request says: whether its body is all there is, and the length of the upload if it is known."""

    is_complete: bool
    length: int | None


@dataclass(frozen=True, slots=True)
class Append:
    """Where the bytes of a PATCH begin, whether they are the last, and the length of the upload if it is known."""

    offset: int
    is_complete: bool
    length: int | None


def parse_version(headers: FieldValues) -> Version:
    """The version a request is in, 8 without the field. Raises UnsupportedInteropVersion, also for 4 and 7."""
    if (value := headers.get(VERSION_FIELD)) is None:
        return Version.V8
    number = parse_integer(value)
    try:
        return Version(number)
    except ValueError as error:
        raise UnsupportedInteropVersion from error


def is_protocol(headers: FieldValues) -> bool:
    """Whether a request says in so many words that it speaks the draft."""
    return any(headers.get(field) is not None for field in (VERSION_FIELD, "Upload-Complete", "Upload-Incomplete"))


def wants_interim(headers: FieldValues) -> bool:
    """Whether a 104 may be sent at all: a client that names no version must not get one ("Draft Version …")."""
    return headers.get(VERSION_FIELD) is not None


def parse_creation(version: Version, headers: FieldValues, *, content_length: int | None) -> Creation:
    """Read the fields of a request that creates an upload. Raises InvalidRequest, InconsistentLength.

    A request that does not tell its completeness is an ordinary upload: complete.
    """
    told = _find_completeness(version, headers)
    is_complete = True if told is None else told
    return Creation(is_complete, _length_of(headers, end=content_length if is_complete else None))


def parse_append(version: Version, headers: FieldValues, *, content_length: int | None) -> Append:
    """Read the fields of a PATCH. Raises UnsupportedMediaType, InvalidRequest, InconsistentLength.

    Without the field of completeness the body is the last one in 3, not the last in 5 and 6, and refused in 8.
    """
    media_type = (headers.get("Content-Type") or "").partition(";")[0].strip(" \t").lower()
    if version.requires_media_type and media_type != MEDIA_TYPE:
        raise UnsupportedMediaType(f"Content-Type must be {MEDIA_TYPE}")
    offset = _find_count(headers, "Upload-Offset")
    if offset is None:
        raise InvalidRequest("Upload-Offset is missing or not a whole number that is not negative")
    told = _find_completeness(version, headers)
    if told is None and version is Version.V8:
        raise InvalidRequest("Upload-Complete is missing")
    is_complete = version is Version.V3 if told is None else told
    end = None if content_length is None or not is_complete else offset + content_length
    return Append(offset, is_complete, _length_of(headers, end=end))


def check_retrieval(version: Version, headers: FieldValues) -> None:
    """Raises InvalidRequest where a HEAD or DELETE carries the state of an upload, which only 8 tolerates."""
    if version is Version.V8:
        return
    for field in ("Upload-Offset", version.completeness_field, "Upload-Length"):
        if headers.get(field) is not None and (field != "Upload-Length" or version is Version.V6):
            raise InvalidRequest(f"{field} is not allowed in this request")


def completeness_header(version: Version, *, is_complete: bool) -> dict[str, str]:
    """Whether an upload is whole: also for refusals, which leave it unfinished."""
    is_true = is_complete != (version is Version.V3)
    return {version.completeness_field: "?1" if is_true else "?0"}


def progress_headers(
    version: Version, *, offset: int | None, is_complete: bool, length: int | None = None
) -> dict[str, str]:
    """The state of an upload, for every final response about one; without `offset` while that may still grow."""
    headers = completeness_header(version, is_complete=is_complete)
    if offset is not None:
        headers["Upload-Offset"] = str(offset)
    if length is not None:
        headers["Upload-Length"] = str(length)
    return headers


def limit_header(version: Version, *, max_bytes: int, max_age_seconds: int | None) -> str | None:
    """An Upload-Limit with the largest upload and, of an unfinished one, the time left; None where it is unknown."""
    if version.lifetime_key is None:
        return None
    limits = f"max-size={min(max_bytes, _LARGEST)}"
    if max_age_seconds is None:
        return limits
    return f"{limits}, {version.lifetime_key}={max(max_age_seconds, 0)}"


def interim_response(version: Version, *, location: str, limits: str | None) -> bytes:
    """A whole 104 for HTTP/1.1, in answer to a creation."""
    fields = {VERSION_FIELD: str(version.value), "Location": location, "Upload-Limit": limits}
    lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
    return f"HTTP/1.1 104 Upload Resumption Supported\r\n{''.join(lines)}\r\n".encode("ascii")


def interim_progress(version: Version, *, offset: int) -> bytes:
    """A whole 104 for HTTP/1.1 that tells what counts; the address is told once only."""
    fields = f"{VERSION_FIELD}: {version.value}\r\nUpload-Offset: {offset}\r\n"
    return f"HTTP/1.1 104 Upload Resumption Supported\r\n{fields}\r\n".encode("ascii")


def problem_mismatching_offset(*, expected: int, provided: int) -> dict[str, str | int]:
    """The problem of a 409: the upload is at `expected`, the request begins at `provided`."""
    problem: dict[str, str | int] = {"expected-offset": expected, "provided-offset": provided}
    return _problem("mismatching-upload-offset", "Mismatching Upload Offset") | problem


def problem_completed() -> dict[str, str | int]:
    """The problem of a 400: nothing can be appended to a finished upload."""
    return _problem("completed-upload", "Upload Is Completed")


def problem_inconsistent_length() -> dict[str, str | int]:
    """The problem of a 400: the lengths that were told differ."""
    return _problem("inconsistent-upload-length", "Inconsistent Upload Length Values")


def _problem(name: str, title: str) -> dict[str, str | int]:
    return {"type": _PROBLEM_TYPES + name, "title": title}


def _length_of(headers: FieldValues, *, end: int | None) -> int | None:
    """The length told by Upload-Length and by `end`, where a last body ends. Raises InconsistentLength."""
    told = _find_count(headers, "Upload-Length")
    if told is not None and end is not None and told != end:
        raise InconsistentLength
    return end if told is None else told


def _find_completeness(version: Version, headers: FieldValues) -> bool | None:
    """Whether the body is the last, None where it is not told. Raises InvalidRequest.

    A malformed field is not passed over, as it may be: what was meant to go on would be taken for whole.
    """
    if (value := headers.get(version.completeness_field)) is None:
        return None
    told = parse_boolean(value)
    if told is None:
        raise InvalidRequest(f"{version.completeness_field} must be ?0 or ?1")
    return told != (version is Version.V3)


def _find_count(headers: FieldValues, field: str) -> int | None:
    """A number of bytes; None where the field is absent or anything else, which the draft wants ignored."""
    value = headers.get(field)
    number = None if value is None else parse_integer(value)
    return None if number is None or number < 0 else number
