"""Reading and printing the header fields of tus 1.0.0."""

import base64
import hashlib
import time
import uuid
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from tests.vectors import VECTORS, named
from transfer_service.errors import (
    InvalidName,
    InvalidRequest,
    TransferError,
    UnsupportedMediaType,
    UnsupportedVersion,
)
from transfer_service.wire import tus

FIRST = uuid.UUID("0b8bd5ab-2f5c-4b3c-a3d5-2f2fd2c6d1f0")
SECOND = uuid.UUID("7d9f3c1e-90ab-4cde-8f01-23456789abcd")
PREFIX = "/api/uploads"
LARGEST = 2**63 - 1
KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1, max_size=12)
ANY_TEXT = st.text(max_size=80) | st.text("finalpth;:/ ,=sha1crc2560-AZ+\t\n\x00é", max_size=80)
FIELDS = ("Upload-Length", "Upload-Defer-Length", "Upload-Concat", "Upload-Metadata", "Upload-Offset", "Content-Type")


def encoded(content: bytes) -> str:
    """Base64 with its padding."""
    return base64.b64encode(content).decode()


def ids_of(value: str) -> tuple[uuid.UUID, ...]:
    """The parts of an Upload-Concat."""
    return tus.upload_ids_of(tus.parse_concat(value), path_prefix=PREFIX)


def length_of(value: str) -> int | None:
    """An Upload-Length."""
    return tus.parse_creation({"Upload-Length": value}).length


# Version and method


@pytest.mark.parametrize("value", [pytest.param("1.0.0", id="exact"), pytest.param(" 1.0.0\t", id="blanks-around")])
def test_our_version_is_accepted(value: str) -> None:
    tus.check_version(value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("0.2.2", id="older"),
        pytest.param("1.0.1", id="newer"),
        pytest.param("1.0", id="shortened"),
        pytest.param("1.0.0, 1.0.0", id="sent-twice"),
        pytest.param("1.0.0\n", id="newline"),
    ],
)
def test_any_other_version_is_refused(value: str | None) -> None:
    with pytest.raises(UnsupportedVersion, match=r"1\.0\.0"):
        tus.check_version(value)


@pytest.mark.parametrize(
    ("method", "override", "meant"),
    [
        pytest.param("POST", "PATCH", "PATCH", id="patch"),
        pytest.param("POST", "DELETE", "DELETE", id="delete"),
        pytest.param("POST", "head", "HEAD", id="small-letters"),
        pytest.param("POST", " Patch ", "PATCH", id="blanks-around"),
        pytest.param("POST", None, "POST", id="no-override"),
        pytest.param("POST", "", "POST", id="empty"),
        pytest.param("POST", "PUT", "POST", id="another-method"),
        pytest.param("POST", "PATCH, DELETE", "POST", id="two-methods"),
        pytest.param("GET", "DELETE", "GET", id="get-never-deletes"),
        pytest.param("HEAD", "PATCH", "HEAD", id="head-never-writes"),
        pytest.param("PATCH", "DELETE", "PATCH", id="patch-never-deletes"),
    ],
)
def test_only_a_post_stands_for_another_method(method: str, override: str | None, meant: str) -> None:
    assert tus.overridden_method(method, override) == meant


# Metadata


@given(values=st.dictionaries(KEYS, st.binary(max_size=30), max_size=8), gap=st.sampled_from(["", " "]))
def test_metadata_that_was_written_is_read_back(values: dict[str, bytes], gap: str) -> None:
    written = f",{gap}".join(f"{key} {encoded(value)}" for key, value in values.items())
    metadata = tus.parse_metadata(written)
    assert metadata.values == values
    assert metadata.raw == (written.strip() or None)


@pytest.mark.parametrize(
    ("value", "raw", "values"),
    [
        pytest.param(None, None, {}, id="no-field"),
        pytest.param("", None, {}, id="empty-as-tuspy-sends-it"),
        pytest.param(" \t", None, {}, id="blank"),
        pytest.param("secret", "secret", {"secret": b""}, id="key-alone"),
        pytest.param("type ,name YQ==", "type ,name YQ==", {"type": b"", "name": b"a"}, id="space-but-no-value"),
        pytest.param(" name  YQ== ", "name  YQ==", {"name": b"a"}, id="more-blanks"),
        pytest.param("a YQ==,A Yg==", "a YQ==,A Yg==", {"a": b"a", "A": b"b"}, id="keys-differ-by-case"),
    ],
)
def test_what_the_protocol_leaves_open_in_metadata_is_accepted(
    value: str | None, raw: str | None, values: dict[str, bytes]
) -> None:
    assert tus.parse_metadata(value) == tus.Metadata(raw=raw, values=values)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(",", "key", id="only-a-comma"),
        pytest.param("a YQ==,", "key", id="comma-at-the-end"),
        pytest.param("a YQ==,,b YQ==", "key", id="empty-pair"),
        pytest.param("näme YQ==", "key", id="key-not-ascii"),
        pytest.param("a\x00b YQ==", "key", id="control-character-in-a-key"),
        pytest.param("a\tYQ==", "key", id="tab-for-a-space"),
        pytest.param("a\r\nX: YQ==", "key", id="line-break-in-a-key"),
        pytest.param("a YQ==,a Yg==", "twice", id="key-twice"),
        pytest.param("a,a", "twice", id="key-alone-twice"),
        pytest.param("a YQ", "Base64", id="no-padding"),
        pytest.param("a Y", "Base64", id="cut-short"),
        pytest.param("a YQ===", "Base64", id="too-much-padding"),
        pytest.param("a YQ==YQ==", "Base64", id="padding-inside"),
        pytest.param("a -_-_", "Base64", id="url-alphabet"),
        pytest.param("a YQ== YQ==", "Base64", id="two-values"),
        pytest.param("a YQ==\n", "Base64", id="newline"),
        pytest.param("a plain!", "Base64", id="plain-text"),
    ],
)
def test_malformed_metadata_is_refused(value: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        tus.parse_metadata(value)


@pytest.mark.parametrize(
    ("pairs", "filename"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"filename": "Grüße 日本.txt"}, "Grüße 日本.txt", id="not-ascii"),
        pytest.param({"name": "a.txt"}, "a.txt", id="under-name"),
        pytest.param({"name": "b.txt", "filename": "a.txt"}, "a.txt", id="filename-before-name"),
        pytest.param({"filename": ""}, "", id="empty-is-left-to-the-rules-of-names"),
        pytest.param({"filename": "../a"}, "../a", id="a-path-stays-one"),
    ],
)
def test_the_filename_is_read(pairs: dict[str, str], filename: str | None) -> None:
    value = ",".join(f"{key} {encoded(text.encode())}" for key, text in pairs.items())
    assert tus.parse_metadata(value).filename == filename


@pytest.mark.parametrize("key", ["filename", "name"])
@pytest.mark.parametrize("content", [pytest.param(b"\xff.txt", id="latin-1"), pytest.param(b"\xed\xa0\x80", id="half")])
def test_a_filename_that_is_not_utf_8_is_refused(key: str, content: bytes) -> None:
    metadata = tus.parse_metadata(f"{key} {encoded(content)}")
    with pytest.raises(InvalidName, match="UTF-8"):
        _ = metadata.filename


@pytest.mark.parametrize(
    ("pairs", "filetype"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"filetype": b"image/png"}, "image/png", id="filetype"),
        pytest.param({"type": b"image/png"}, "image/png", id="type"),
        pytest.param({"type": b"a/b", "filetype": b"image/png"}, "image/png", id="filetype-before-type"),
        pytest.param({"filetype": b"text/plain; charset=utf-8"}, "text/plain; charset=utf-8", id="parameters"),
        pytest.param({"filetype": b""}, None, id="empty-as-browsers-have-it"),
        pytest.param({"filetype": b"undefined"}, None, id="no-slash"),
        pytest.param({"filetype": b"text/html\r\nX: 1"}, None, id="line-break"),
        pytest.param({"filetype": b"text/\xff"}, None, id="not-ascii"),
        pytest.param({"filetype": b"application/octet-stream"}, None, id="says-nothing"),
    ],
)
def test_the_media_type_is_read_where_it_is_plausible(pairs: dict[str, bytes], filetype: str | None) -> None:
    value = ",".join(f"{key} {encoded(content)}" for key, content in pairs.items())
    assert tus.parse_metadata(value).filetype == filetype


@pytest.mark.parametrize(
    ("value", "overwrite"),
    [
        pytest.param("overwrite dHJ1ZQ==", True, id="true"),
        pytest.param("overwrite VHJ1ZQ==", True, id="True-of-python"),
        pytest.param("overwrite MQ==", True, id="1"),
        pytest.param("overwrite ZmFsc2U=", False, id="false"),
        pytest.param("overwrite MA==", False, id="0"),
        pytest.param("overwrite", False, id="no-value"),
        pytest.param("name dHJ1ZQ==", False, id="no-key"),
    ],
)
def test_a_file_is_replaced_only_in_so_many_words(value: str, *, overwrite: bool) -> None:
    assert tus.parse_metadata(value).overwrite is overwrite


def test_other_words_for_replacing_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="Invalid overwrite"):
        _ = tus.parse_metadata("overwrite bWF5YmU=").overwrite


# Creation


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        pytest.param({"Upload-Length": "100"}, 100, id="length"),
        pytest.param({"Upload-Length": "0"}, 0, id="empty-file"),
        pytest.param({"Upload-Length": " 7\t"}, 7, id="blanks-around"),
        pytest.param({"Upload-Length": "0" * 4000 + "7"}, 7, id="leading-zeros"),
        pytest.param({"Upload-Length": str(LARGEST)}, LARGEST, id="largest"),
        pytest.param({"Upload-Length": str(LARGEST + 1)}, LARGEST, id="one-more-is-cut-down"),
        pytest.param({"Upload-Length": "9" * 8000}, LARGEST, id="huge-is-cut-down"),
        pytest.param({"Upload-Defer-Length": "1"}, None, id="deferred"),
    ],
)
def test_the_length_of_a_new_upload_is_read(headers: dict[str, str], length: int | None) -> None:
    metadata = tus.Metadata(raw=None, values={})
    assert tus.parse_creation(headers) == tus.Creation(length=length, metadata=metadata, concat=None)


def test_a_creation_has_its_metadata_and_its_concat_whatever_the_case_of_the_names() -> None:
    headers = Headers({"upload-length": "5", "upload-metadata": "name YQ==", "upload-concat": "partial"})
    creation = tus.parse_creation(headers)
    assert creation.metadata == tus.Metadata(raw="name YQ==", values={"name": b"a"})
    assert creation.concat == tus.Concat(raw="partial")


def test_a_final_upload_has_no_length_of_its_own() -> None:
    creation = tus.parse_creation({"Upload-Concat": f"final;{PREFIX}/{FIRST}"})
    assert creation.length is None
    assert creation.concat is not None
    assert creation.concat.is_final


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param({}, "Either", id="no-length"),
        pytest.param({"Upload-Length": "5", "Upload-Defer-Length": "1"}, "Either", id="both"),
        pytest.param({"Upload-Concat": "partial"}, "Either", id="partial-without-length"),
        pytest.param({"Upload-Defer-Length": "0"}, "must be 1", id="defer-0"),
        pytest.param({"Upload-Defer-Length": "true"}, "must be 1", id="defer-true"),
        pytest.param({"Upload-Defer-Length": ""}, "must be 1", id="defer-empty"),
        pytest.param({"Upload-Length": "5", "Upload-Defer-Length": "2"}, "must be 1", id="defer-2-beside-a-length"),
        pytest.param({"Upload-Length": ""}, "whole number", id="empty"),
        pytest.param({"Upload-Length": "-1"}, "whole number", id="negative"),
        pytest.param({"Upload-Length": "+5"}, "whole number", id="plus-sign"),
        pytest.param({"Upload-Length": "5.0"}, "whole number", id="fraction"),
        pytest.param({"Upload-Length": "5_0"}, "whole number", id="underscore"),
        pytest.param({"Upload-Length": "0x5"}, "whole number", id="hexadecimal"),
        pytest.param({"Upload-Length": "5,5"}, "whole number", id="sent-twice"),
        pytest.param({"Upload-Length": "\u0665"}, "whole number", id="other-digits"),
        pytest.param({"Upload-Length": "5\n"}, "whole number", id="newline"),
        pytest.param({"Upload-Concat": "final;/a", "Upload-Length": "5"}, "none for a final", id="final-and-length"),
        pytest.param(
            {"Upload-Concat": "final;/a", "Upload-Defer-Length": "1"}, "none for a final", id="final-deferred"
        ),
        pytest.param({"Upload-Concat": "whole", "Upload-Length": "5"}, "Upload-Concat", id="bad-concat"),
        pytest.param({"Upload-Metadata": "a !", "Upload-Length": "5"}, "Base64", id="bad-metadata"),
    ],
)
def test_a_malformed_creation_is_refused(headers: dict[str, str], reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        tus.parse_creation(headers)


# Concatenation


def test_a_partial_upload_has_no_parts() -> None:
    concat = tus.parse_concat(" partial ")
    assert concat == tus.Concat(raw="partial")
    assert not concat.is_final


@given(order=st.lists(st.uuids(), min_size=1, max_size=20))
def test_the_parts_of_a_final_upload_keep_their_order(order: list[uuid.UUID]) -> None:
    concat = tus.parse_concat("final;" + " ".join(f"{PREFIX}/{part}" for part in order))
    assert concat.is_final
    assert tus.upload_ids_of(concat, path_prefix=PREFIX) == tuple(order)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"http://files.test/api/uploads/{FIRST}", id="url"),
        pytest.param(f"HTTPS://files.test:8443/api/uploads/{FIRST}", id="url-with-a-port"),
        pytest.param(f"https://[::1]:8000/api/uploads/{FIRST}", id="url-with-an-address"),
        pytest.param(f"https://files.test/behind/a/proxy/api/uploads/{FIRST}", id="url-behind-a-prefix"),
        pytest.param(f"//files.test/api/uploads/{FIRST}", id="url-without-a-scheme"),
        pytest.param(f"/api/uploads/{FIRST}", id="path"),
        pytest.param(f"/proxy/api/uploads/{FIRST}", id="path-behind-a-prefix"),
        pytest.param(f"/api/uploads/{str(FIRST).upper()}", id="capitals"),
        pytest.param(f"uploads/{FIRST}", id="relative"),
        pytest.param(f"./{FIRST}", id="relative-with-a-dot"),
        pytest.param(f"../api/uploads/{FIRST}", id="relative-from-above"),
        pytest.param(str(FIRST), id="id-alone"),
    ],
)
def test_every_way_to_write_the_url_of_an_upload_names_it(url: str) -> None:
    assert ids_of(f"final; {url}  {PREFIX}/{SECOND}") == (FIRST, SECOND)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("/api/uploads/", id="no-id"),
        pytest.param("/api/uploads/abc", id="not-a-uuid"),
        pytest.param(f"/api/uploads/{FIRST}/", id="slash-behind"),
        pytest.param(f"/api/uploads/{FIRST}/parts", id="something-behind"),
        pytest.param(f"/api/uploads/{FIRST}?a=1", id="query"),
        pytest.param(f"/api/uploads/{FIRST}#a", id="fragment"),
        pytest.param(f"/api/uploads/?{FIRST}", id="id-in-the-query"),
        pytest.param(f"/api/uploads/x{FIRST}", id="letter-before-the-id"),
        pytest.param(f"/api/uploads/{FIRST.hex}", id="no-hyphens"),
        pytest.param(f"/api/uploads/{{{FIRST}}}", id="braces"),
        pytest.param(f"/api/files/{FIRST}", id="path-of-something-else"),
        pytest.param(f"/xapi/uploads/{FIRST}", id="letter-before-the-prefix"),
        pytest.param(f"/{FIRST}", id="path-without-the-prefix"),
        pytest.param(f"https://files.test/{FIRST}", id="url-without-the-prefix"),
        pytest.param(f"https://{FIRST}", id="id-as-the-host"),
        pytest.param(f"https:///api/uploads/{FIRST}", id="no-host"),
        pytest.param(f"ftp://files.test/api/uploads/{FIRST}", id="other-scheme"),
        pytest.param(f"urn:uuid:{FIRST}", id="urn"),
        pytest.param(f"file:/api/uploads/{FIRST}", id="file"),
        pytest.param("http://[", id="malformed-host"),
    ],
)
def test_a_part_that_is_not_an_upload_here_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="not an upload here"):
        ids_of(f"final;{PREFIX}/{FIRST} {url}")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param("", "must be partial", id="empty"),
        pytest.param("Partial", "must be partial", id="capital"),
        pytest.param("partial;", "must be partial", id="partial-with-a-list"),
        pytest.param("final", "must be partial", id="no-semicolon"),
        pytest.param("final /a", "must be partial", id="space-for-the-semicolon"),
        pytest.param("whole;/a", "must be partial", id="other-kind"),
        pytest.param("final;/a\r\nX: 1", "must be partial", id="line-break"),
        pytest.param("final;/a\t/b", "must be partial", id="tab-inside"),
        pytest.param("final;/ä", "must be partial", id="not-ascii"),
        pytest.param("final;", "1 to 1000", id="no-parts"),
        pytest.param("final; ", "1 to 1000", id="blank-list"),
        pytest.param("final;" + "/a " * 1001, "1 to 1000", id="too-many-parts"),
    ],
)
def test_a_malformed_concat_is_refused(value: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        tus.parse_concat(value)


def test_a_thousand_parts_are_accepted() -> None:
    assert ids_of("final;" + f"{FIRST} " * tus.MAX_PARTS) == (FIRST,) * tus.MAX_PARTS


# Bytes


@pytest.mark.parametrize(
    ("fields", "append"),
    [
        pytest.param({"Upload-Offset": "0"}, tus.Append(offset=0, length=None), id="start"),
        pytest.param({"Upload-Offset": "7", "Upload-Length": "9"}, tus.Append(offset=7, length=9), id="length-now"),
        pytest.param({"Upload-Offset": "9" * 30}, tus.Append(offset=LARGEST, length=None), id="huge-is-cut-down"),
        pytest.param(
            {"Upload-Offset": "1", "Upload-Concat": "partial", "Upload-Defer-Length": "1"},
            tus.Append(offset=1, length=None),
            id="fields-of-the-creation-repeated",
        ),
    ],
)
def test_where_the_bytes_of_a_patch_go_is_read(fields: dict[str, str], append: tus.Append) -> None:
    assert tus.parse_append({"Content-Type": tus.MEDIA_TYPE, **fields}) == append


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({}, "Upload-Offset", id="no-offset"),
        pytest.param({"Upload-Offset": ""}, "Upload-Offset", id="empty-offset"),
        pytest.param({"Upload-Offset": "-1"}, "Upload-Offset", id="negative-offset"),
        pytest.param({"Upload-Offset": "1 2"}, "Upload-Offset", id="two-offsets"),
        pytest.param({"Upload-Offset": "0", "Upload-Length": "many"}, "Upload-Length", id="bad-length"),
    ],
)
def test_a_malformed_append_is_refused(fields: dict[str, str], reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        tus.parse_append({"Content-Type": tus.MEDIA_TYPE, **fields})


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Application/Offset+Octet-Stream", id="capitals"),
        pytest.param("application/offset+octet-stream; charset=UTF-8", id="parameters"),
    ],
)
def test_a_media_type_is_compared_as_http_does(value: str) -> None:
    assert tus.parse_append({"Content-Type": value, "Upload-Offset": "3"}).offset == 3


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"Content-Type": ""}, id="empty"),
        pytest.param({"Content-Type": "application/octet-stream"}, id="octet-stream"),
        pytest.param({"Content-Type": "application/partial-upload"}, id="of-the-ietf-draft"),
        pytest.param({"Content-Type": f"{tus.MEDIA_TYPE}, {tus.MEDIA_TYPE}"}, id="sent-twice"),
    ],
)
def test_another_media_type_is_refused_before_anything_else(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaType, match="offset"):
        tus.parse_append({"Upload-Offset": "bad", **headers})


# Checksums


REFERENCES: dict[str, Callable[[bytes], bytes]] = {
    "sha1": lambda content: hashlib.sha1(content, usedforsecurity=False).digest(),
    "sha256": lambda content: hashlib.sha256(content).digest(),
    "crc32": lambda content: zlib.crc32(content).to_bytes(4, "big"),
}


@given(algorithm=st.sampled_from(tus.CHECKSUM_ALGORITHMS), blocks=st.lists(st.binary(max_size=40), max_size=6))
def test_a_sum_over_blocks_is_the_checksum_that_a_client_computes(algorithm: str, blocks: list[bytes]) -> None:
    hasher = tus.make_hasher(algorithm)
    for block in blocks:
        hasher.update(block)
    expected = REFERENCES[algorithm](b"".join(blocks))
    assert hasher.digest() == expected
    assert tus.parse_checksum(f"{algorithm} {encoded(expected)}") == tus.Checksum(algorithm, expected)


@pytest.mark.parametrize(
    ("value", "content"),
    [
        pytest.param("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", b"hello world", id="the-example-of-the-protocol"),
        pytest.param("crc32 y/Q5Jg==", b"123456789", id="the-check-value-of-crc32"),
        pytest.param(" crc32  AAAAAA== ", b"", id="blanks-and-no-bytes"),
    ],
)
def test_known_checksums_agree(value: str, content: bytes) -> None:
    checksum = tus.parse_checksum(value)
    hasher = tus.make_hasher(checksum.algorithm)
    hasher.update(content)
    assert hasher.digest() == checksum.expected


@pytest.mark.parametrize("published", named(VECTORS["digests"]))
@pytest.mark.parametrize("algorithm", tus.CHECKSUM_ALGORITHMS)
def test_published_checksums(published: Any, algorithm: str) -> None:
    checksum = tus.parse_checksum(published["upload_checksum"][algorithm])
    hasher = tus.make_hasher(checksum.algorithm)
    hasher.update(bytes.fromhex(published["data"]))
    assert (checksum.algorithm, hasher.digest()) == (algorithm, checksum.expected)
    assert algorithm == "sha1" or checksum.expected.hex() == published[algorithm]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param("", "algorithm", id="empty"),
        pytest.param("md5 XrY7u+Ae7tCTyyK7j1rNww==", "algorithm", id="unknown-algorithm"),
        pytest.param("SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "algorithm", id="capitals"),
        pytest.param("Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "algorithm", id="no-algorithm"),
        pytest.param("sha1=Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "algorithm", id="equals-sign"),
        pytest.param("sha1", "20 bytes", id="no-checksum"),
        pytest.param("sha1 AAAA", "20 bytes", id="too-short"),
        pytest.param("crc32 AAAAAAA=", "4 bytes", id="too-long"),
        pytest.param("sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "32 bytes", id="of-another-algorithm"),
        pytest.param("crc32 cbf43926", "4 bytes", id="hexadecimal"),
        pytest.param("sha1 !", "Base64", id="not-base64"),
        pytest.param("crc32 y_Q5Jg==", "Base64", id="url-alphabet"),
        pytest.param("crc32 y/Q5Jg", "Base64", id="no-padding"),
        pytest.param("crc32 y/Q5Jg==,crc32 y/Q5Jg==", "Base64", id="sent-twice"),
    ],
)
def test_a_malformed_checksum_is_refused(value: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        tus.parse_checksum(value)


@pytest.mark.parametrize(
    ("headers", "announced"),
    [
        pytest.param({"Trailer": "Upload-Checksum"}, True, id="named"),
        pytest.param({"Trailer": "Expires, upload-checksum"}, True, id="one-of-several"),
        pytest.param({"Trailer": "Expires"}, False, id="another"),
        pytest.param({"Trailer": "X-Upload-Checksum"}, False, id="longer-name"),
        pytest.param({"Trailer": ""}, False, id="empty"),
        pytest.param({"Upload-Checksum": "sha1 AAAA"}, False, id="before-the-body"),
    ],
)
def test_a_checksum_behind_the_body_is_announced(headers: dict[str, str], *, announced: bool) -> None:
    assert tus.announces_trailer(headers) is announced


# Whatever is sent


@given(value=ANY_TEXT)
def test_any_text_is_a_value_or_a_refusal(value: str) -> None:
    for parse in (tus.parse_metadata, ids_of, tus.parse_checksum, tus.check_version, tus.check_media_type):
        try:
            parse(value)
        except TransferError as refusal:
            assert refusal.detail.isascii()


@given(headers=st.dictionaries(st.sampled_from(FIELDS), ANY_TEXT | st.just("1") | st.just(tus.MEDIA_TYPE)))
def test_any_headers_are_a_request_within_bounds_or_a_refusal(headers: dict[str, str]) -> None:
    numbers: list[int | None] = []
    try:
        numbers.append(tus.parse_creation(headers).length)
        append = tus.parse_append(headers)
        numbers.extend((append.offset, append.length))
    except TransferError as refusal:
        assert refusal.detail.isascii()
    assert all(number is None or 0 <= number <= LARGEST for number in numbers)


@given(value=ANY_TEXT)
@example("0,\t1")
def test_what_is_sent_back_by_head_is_one_line_of_ascii(value: str) -> None:
    for parse in (tus.parse_metadata, tus.parse_concat):
        try:
            raw = parse(value).raw
        except TransferError:
            continue
        assert raw is None or raw == value.strip(" \t")
        assert raw is None or (raw.isascii() and raw.replace("\t", " ").isprintable())  # a tab is a blank of HTTP


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        pytest.param(length_of, "0" * 60_000 + "x", id="number"),
        pytest.param(tus.parse_metadata, "a " + "A" * 60_000 + "!", id="base64"),
        pytest.param(tus.parse_metadata, "a," * 60_000, id="keys"),
        pytest.param(ids_of, "final;https://" + "a" * 60_000, id="host"),
        pytest.param(ids_of, "final;" + "/" * 60_000, id="slashes"),
        pytest.param(ids_of, "final;https://a" + "/a" * 30_000, id="segments"),
        pytest.param(ids_of, "final;" + "/a " * 60_000, id="parts"),
    ],
)
def test_a_long_value_is_refused_in_no_time(parse: Callable[[str], object], value: str) -> None:
    started = time.process_time()
    with pytest.raises(InvalidRequest):
        parse(value)
    assert time.process_time() - started < 1


# What the server says


@pytest.mark.parametrize(
    ("upload", "headers"),
    [
        pytest.param((0, 9, None, None), {"Upload-Offset": "0", "Upload-Length": "9"}, id="begun"),
        pytest.param((0, 0, None, None), {"Upload-Offset": "0", "Upload-Length": "0"}, id="empty-file"),
        pytest.param((4, None, None, None), {"Upload-Offset": "4", "Upload-Defer-Length": "1"}, id="deferred"),
        pytest.param(
            (4, 9, "name YQ==", "partial"),
            {"Upload-Offset": "4", "Upload-Length": "9", "Upload-Metadata": "name YQ==", "Upload-Concat": "partial"},
            id="partial-with-metadata",
        ),
        pytest.param(
            (4, None, None, "partial"),
            {"Upload-Offset": "4", "Upload-Defer-Length": "1", "Upload-Concat": "partial"},
            id="deferred-partial",
        ),
        pytest.param((None, None, None, "final;/a"), {"Upload-Concat": "final;/a"}, id="final-of-unknown-length"),
        pytest.param(
            (None, 9, None, "final;/a"), {"Upload-Length": "9", "Upload-Concat": "final;/a"}, id="final-not-whole-yet"
        ),
        pytest.param(
            (9, 9, None, "final;/a"),
            {"Upload-Offset": "9", "Upload-Length": "9", "Upload-Concat": "final;/a"},
            id="final",
        ),
    ],
)
def test_head_tells_how_an_upload_stands(
    upload: tuple[int | None, int | None, str | None, str | None], headers: dict[str, str]
) -> None:
    offset, length, metadata_raw, concat_raw = upload
    printed = tus.progress_headers(offset=offset, length=length, metadata_raw=metadata_raw, concat_raw=concat_raw)
    assert printed == {"Cache-Control": "no-store", **headers}


def test_options_tell_what_the_server_can_do() -> None:
    assert tus.options_headers(1024) == {
        "Tus-Resumable": "1.0.0",
        "Tus-Version": "1.0.0",
        "Tus-Extension": (
            "creation,creation-with-upload,creation-defer-length,expiration,checksum,checksum-trailer,"
            "termination,concatenation,concatenation-unfinished"
        ),
        "Tus-Max-Size": "1024",
        "Tus-Checksum-Algorithm": "sha1,sha256,crc32",
    }
