"""tus 1.0.0, the resumable upload protocol: its header fields as values, and values as its header fields."""

import base64
import hashlib
import re
import uuid
import zlib
from dataclasses import dataclass
from typing import Final, Protocol

from transfer_service.errors import InvalidName, InvalidRequest, UnsupportedMediaType, UnsupportedVersion
from transfer_service.wire.conditions import FieldValues
from transfer_service.wire.media_types import OCTET_STREAM, stored_media_type

VERSION: Final = "1.0.0"
EXTENSIONS: Final = (
    "creation", "creation-with-upload", "creation-defer-length", "expiration", "checksum", "checksum-trailer",
    "termination", "concatenation", "concatenation-unfinished",
)  # fmt: skip
MEDIA_TYPE: Final = "application/offset+octet-stream"
_OWN_FIELDS: Final = (
    "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat", "Upload-Checksum", "Tus-Version", "Tus-Extension",
)  # fmt: skip
MAX_PARTS: Final = 1000
_DIGEST_BYTES: Final = {"sha1": 20, "sha256": 32, "crc32": 4}
CHECKSUM_ALGORITHMS: Final = tuple(_DIGEST_BYTES)
_LARGEST = 2**63 - 1  # what a column of the database holds
_BLANKS = " \t"
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")
# With its padding, as RFC 4648 wants it and as tus-js-client, tuspy and the other known clients write it.
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII)
_FINAL = re.compile(r"final;([\x20-\x7e]*)")
_UPLOAD_URL = re.compile(
    r"(https?://[^/?#]++)?([^:?#]*/)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII | re.IGNORECASE
)


class Hasher(Protocol):
    """Sums up bytes as they come."""

    def update(self, data: bytes, /) -> None:
        """Take in the next bytes."""

    def digest(self) -> bytes:
        """The sum of all bytes so far."""


class _Crc32:
    def __init__(self) -> None:
        self._sum = 0

    def update(self, data: bytes, /) -> None:
        self._sum = zlib.crc32(data, self._sum)

    def digest(self) -> bytes:
        return self._sum.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class Metadata:
    """The pairs of an Upload-Metadata, and the field as it came (None: there was none) to be sent back by HEAD."""

    raw: str | None
    values: dict[str, bytes]

    @property
    def filename(self) -> str | None:
        """`filename`, else `name`, unchecked but for its encoding. Raises InvalidName where it is not UTF-8."""
        return self._text("filename", "name")

    @property
    def relative_path(self) -> str | None:
        """`relativePath`, as Uppy says where in a folder a file lay. Raises InvalidName where it is not UTF-8."""
        return self._text("relativePath")

    @property
    def filetype(self) -> str | None:
        """`filetype`, else `type`; None where it is malformed or says nothing about the file."""
        given = self.values.get("filetype", self.values.get("type", b""))
        media_type = stored_media_type(given.decode("latin-1"), "")
        return None if media_type == OCTET_STREAM else media_type

    @property
    def overwrite(self) -> bool:
        """Whether the client asked for it in so many words: `true` or `1`. Raises InvalidRequest for other ones."""
        word = self.values.get("overwrite", b"").lower()
        if word not in {b"true", b"1", b"false", b"0", b""}:
            raise InvalidRequest("Invalid overwrite")
        return word in {b"true", b"1"}

    def _text(self, *keys: str) -> str | None:
        """What stands under the first of the keys that there is."""
        given = next((self.values[key] for key in keys if key in self.values), None)
        try:
            return None if given is None else given.decode()
        except UnicodeDecodeError as error:
            raise InvalidName("File name is not valid UTF-8") from error


@dataclass(frozen=True, slots=True)
class Concat:
    """An Upload-Concat: of a partial upload, or of a final one with the URLs of its parts in their order."""

    raw: str
    part_urls: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether the upload is made of others; such a one has at least one part."""
        return bool(self.part_urls)


@dataclass(frozen=True, slots=True)
class Creation:
    """What a POST asks for; `length` is None where it comes later or, for a final upload, from the parts."""

    length: int | None
    metadata: Metadata
    concat: Concat | None


@dataclass(frozen=True, slots=True)
class Append:
    """Where the bytes of a PATCH begin, and the length of the upload if the client tells it now."""

    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a client says its body sums up to."""

    algorithm: str
    expected: bytes


def is_meant(headers: FieldValues) -> bool:
    """Whether a request that says nothing of the draft can only be one of tus, though it may not name the version."""
    media_type = (headers.get("Content-Type") or "").partition(";")[0].strip(_BLANKS).lower()
    return media_type == MEDIA_TYPE or any(headers.get(field) is not None for field in _OWN_FIELDS)


def check_version(value: str | None) -> None:
    """Raises UnsupportedVersion for any `Tus-Resumable` but our own."""
    if value is None or value.strip(_BLANKS) != VERSION:
        raise UnsupportedVersion(f"Only version {VERSION} of tus is supported")


def check_media_type(value: str | None) -> None:
    """Raises UnsupportedMediaType where a body's `Content-Type` is not `MEDIA_TYPE`; parameters do not count."""
    if (value or "").partition(";")[0].strip(_BLANKS).lower() != MEDIA_TYPE:
        raise UnsupportedMediaType(f"Content-Type must be {MEDIA_TYPE}")


def overridden_method(method: str, override: str | None) -> str:
    """The method that is meant: a POST may stand for PATCH, DELETE or HEAD, any other request for itself only."""
    meant = (override or "").strip(_BLANKS).upper()
    return meant if method == "POST" and meant in {"PATCH", "DELETE", "HEAD"} else method


def parse_metadata(value: str | None) -> Metadata:
    """Read an Upload-Metadata; a blank one is none, as tuspy sends it. Raises InvalidRequest."""
    raw = (value or "").strip(_BLANKS)
    if not raw:
        return Metadata(raw=None, values={})
    values: dict[str, bytes] = {}
    for pair in raw.split(","):
        key, _, encoded = pair.strip(_BLANKS).partition(" ")
        if _KEY.fullmatch(key) is None:
            raise InvalidRequest("Upload-Metadata has an empty or malformed key")
        if key in values:
            raise InvalidRequest("Upload-Metadata has a key twice")
        values[key] = _decode(encoded.strip(_BLANKS), "A value in Upload-Metadata")
    return Metadata(raw=raw, values=values)


def parse_concat(value: str) -> Concat:
    """Read `partial` or `final;URL URL …`. Raises InvalidRequest, also for no part and for more than `MAX_PARTS`."""
    raw = value.strip(_BLANKS)
    if raw == "partial":
        return Concat(raw=raw)
    final = _FINAL.fullmatch(raw)
    if final is None:
        raise InvalidRequest("Upload-Concat must be partial, or final with a list of uploads")
    part_urls = tuple(url for url in final[1].split(" ") if url)
    if not 1 <= len(part_urls) <= MAX_PARTS:
        raise InvalidRequest(f"A final upload must have 1 to {MAX_PARTS} parts")
    return Concat(raw=raw, part_urls=part_urls)


def upload_ids_of(final: Concat, *, path_prefix: str) -> tuple[uuid.UUID, ...]:
    """The uploads that the parts of `final` name, in their order. Raises InvalidRequest for any other reference.

    A URL or an absolute path ends with `path_prefix/<id>`, a relative reference with `<id>`. What stands before the
    prefix is not compared: behind a proxy a client knows the uploads under another address than we do.
    """
    return tuple(_upload_id_of(url, path_prefix.rstrip("/") + "/") for url in final.part_urls)


def parse_creation(headers: FieldValues) -> Creation:
    """Read the fields of a POST that creates an upload. Raises InvalidRequest.

    A final upload gets its length from its parts; any other has `Upload-Length` or `Upload-Defer-Length: 1`, not both.
    """
    given_concat, deferred = headers.get("Upload-Concat"), headers.get("Upload-Defer-Length")
    concat = None if given_concat is None else parse_concat(given_concat)
    length = _find_number(headers, "Upload-Length")
    if deferred is not None and deferred.strip(_BLANKS) != "1":
        raise InvalidRequest("Upload-Defer-Length must be 1")
    is_final = concat is not None and concat.is_final
    if (length is not None) + (deferred is not None) != (0 if is_final else 1):
        raise InvalidRequest("Either Upload-Length or Upload-Defer-Length is needed, and none for a final upload")
    return Creation(length=length, metadata=parse_metadata(headers.get("Upload-Metadata")), concat=concat)


def parse_append(headers: FieldValues) -> Append:
    """Read the fields of a PATCH. Raises UnsupportedMediaType, InvalidRequest."""
    check_media_type(headers.get("Content-Type"))
    offset = _find_number(headers, "Upload-Offset")
    if offset is None:
        raise InvalidRequest("Upload-Offset is missing")
    return Append(offset=offset, length=_find_number(headers, "Upload-Length"))


def parse_checksum(value: str) -> Checksum:
    """Read an Upload-Checksum. Raises InvalidRequest, also for an algorithm not in `CHECKSUM_ALGORITHMS`."""
    algorithm, _, encoded = value.strip(_BLANKS).partition(" ")
    size = _DIGEST_BYTES.get(algorithm)
    if size is None:
        raise InvalidRequest(f"The algorithm of Upload-Checksum must be one of {', '.join(CHECKSUM_ALGORITHMS)}")
    expected = _decode(encoded.strip(_BLANKS), "The checksum in Upload-Checksum")
    if len(expected) != size:
        raise InvalidRequest(f"The checksum in Upload-Checksum must have {size} bytes")
    return Checksum(algorithm=algorithm, expected=expected)


def make_hasher(algorithm: str) -> Hasher:
    """A fresh sum for one of `CHECKSUM_ALGORITHMS`; crc32 gives 4 bytes, big-endian."""
    return _Crc32() if algorithm == "crc32" else hashlib.new(algorithm, usedforsecurity=False)


def announces_trailer(headers: FieldValues) -> bool:
    """Whether `Upload-Checksum` comes behind the body (RFC 9110 section 6.6.2)."""
    return "upload-checksum" in {name.strip(_BLANKS).lower() for name in (headers.get("Trailer") or "").split(",")}


def progress_headers(
    *, offset: int | None, length: int | None, metadata_raw: str | None, concat_raw: str | None
) -> dict[str, str]:
    """How an upload stands, for HEAD: never cached; a final upload that is not whole yet has no offset (None)."""
    headers = {"Cache-Control": "no-store"}
    if offset is not None:
        headers["Upload-Offset"] = str(offset)
    if length is not None:
        headers["Upload-Length"] = str(length)
    elif not (concat_raw or "").startswith("final"):
        headers["Upload-Defer-Length"] = "1"
    if metadata_raw is not None:
        headers["Upload-Metadata"] = metadata_raw
    if concat_raw is not None:
        headers["Upload-Concat"] = concat_raw
    return headers


def options_headers(max_bytes: int) -> dict[str, str]:
    """What the server can do, for OPTIONS; `max_bytes` is the largest upload."""
    return {
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": ",".join(EXTENSIONS),
        "Tus-Max-Size": str(max_bytes),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUM_ALGORITHMS),
    }


def _find_number(headers: FieldValues, field: str) -> int | None:
    if (value := headers.get(field)) is None:
        return None
    digits = value.strip(_BLANKS)
    if _DIGITS.fullmatch(digits) is None:
        raise InvalidRequest(f"{field} must be a whole number that is not negative")
    # A huge number is well-formed: cut down to the largest it still is no offset (409) and longer than any file (413).
    return min(int(digits.lstrip("0")[:20] or "0"), _LARGEST)


def _decode(encoded: str, what: str) -> bytes:
    if _BASE64.fullmatch(encoded) is None:
        raise InvalidRequest(f"{what} is not Base64")
    return base64.b64decode(encoded)


def _upload_id_of(url: str, path_prefix: str) -> uuid.UUID:
    match = _UPLOAD_URL.fullmatch(url)
    head = (match and match[2]) or ""
    if match is None or ((match[1] or head.startswith("/")) and not head.endswith(path_prefix)):
        raise InvalidRequest("Upload-Concat names something that is not an upload here")
    return uuid.UUID(match[3])
