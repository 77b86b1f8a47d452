"""`Upload-Checksum`: a chunk counts as a whole or not at all (tus checksum, checksum-trailer)."""

import hashlib
import io
import zlib
from typing import Any

import pytest

from tests.web.uploads.bench import Tus, b64, digest, id_of, left_on, tus_refusal

DATA = b"hello"
SUMS = {
    "sha1": hashlib.sha1(DATA).digest(),
    "sha256": hashlib.sha256(DATA).digest(),
    "crc32": zlib.crc32(DATA).to_bytes(4, "big"),
}
GOOD = [pytest.param(f"{name} {b64(value)}", id=name) for name, value in SUMS.items()]


def test_the_example_of_the_protocol_is_right(tus: Tus) -> None:
    location = tus.begin({"Upload-Length": "100"})
    response = tus.patch(location, b"hello world", {"Upload-Checksum": "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="})
    assert (response.status_code, response.headers["Upload-Offset"]) == (204, "11")


@pytest.mark.parametrize("checksum", GOOD)
def test_a_chunk_with_its_sum_counts(tus: Tus, checksum: str) -> None:
    location = tus.begin()
    response = tus.patch(location, DATA, {"Upload-Checksum": checksum})
    assert (response.status_code, response.headers["Upload-Offset"]) == (204, "5")
    assert tus.device.get(f"/api/files/{id_of(location)}/download").data == DATA


@pytest.mark.parametrize("checksum", GOOD)
def test_first_bytes_with_their_sum_count(tus: Tus, checksum: str) -> None:
    response = tus.post({"Upload-Checksum": checksum}, DATA)
    assert (response.status_code, response.headers["Upload-Offset"]) == (201, "5")


def test_the_sum_of_no_bytes_counts(tus: Tus) -> None:
    location = tus.begin()
    response = tus.patch(location, b"", {"Upload-Checksum": f"sha1 {b64(hashlib.sha1(b'').digest())}"})
    assert (response.status_code, response.headers["Upload-Offset"]) == (204, "0")


@pytest.mark.parametrize(
    ("checksum", "data", "status", "reason"),
    [
        *[
            pytest.param(f"{name} {b64(value)}", b"hallo", 460, "Checksum mismatch", id=f"{name}-of-other-bytes")
            for name, value in SUMS.items()
        ],
        pytest.param(f"sha1 {b64(SUMS['sha1'])}", b"", 460, "Checksum mismatch", id="no-bytes"),
        pytest.param(f"crc32 {b64(SUMS['crc32'][::-1])}", DATA, 460, "Checksum mismatch", id="crc32-little-endian"),
        pytest.param(f"md5 {b64(hashlib.md5(DATA).digest())}", DATA, 400, "must be one of sha1, sha256", id="md5"),
        pytest.param(f"SHA1 {b64(SUMS['sha1'])}", DATA, 400, "must be one of", id="capitals"),
        pytest.param(f"sha-256 {b64(SUMS['sha256'])}", DATA, 400, "must be one of", id="as-in-the-draft"),
        pytest.param("", DATA, 400, "must be one of", id="empty"),
        pytest.param("sha1", DATA, 400, "20 bytes", id="no-sum"),
        pytest.param(f"sha1 {SUMS['sha1'].hex()}", DATA, 400, "", id="hexadecimal"),
        pytest.param("sha1 !!!", DATA, 400, "not Base64", id="no-base64"),
        pytest.param(f"sha1 {b64(SUMS['sha1']).rstrip('=')}", DATA, 400, "not Base64", id="no-padding"),
        pytest.param(f"sha1 {b64(SUMS['sha256'])}", DATA, 400, "20 bytes", id="sum-of-another-algorithm"),
        pytest.param(f"sha1{b64(SUMS['sha1'])}", DATA, 400, "must be one of", id="no-space"),
    ],
)
def test_a_chunk_with_another_sum_is_discarded(tus: Tus, checksum: str, data: bytes, status: int, reason: str) -> None:
    location = tus.begin({"Upload-Length": "10"}, b"abc")
    before = left_on(tus.device)
    told, text = tus_refusal(tus.patch(location, data, {"Upload-Checksum": checksum}, offset=3))
    assert (told, reason in text) == (status, True), text
    assert (left_on(tus.device), tus.offset(location)) == (before, "3")


def test_nothing_of_a_discarded_chunk_is_in_the_file(tus: Tus) -> None:
    location = tus.begin({"Upload-Length": "6"}, b"abc")
    tus.patch(location, b"xyz", {"Upload-Checksum": f"sha1 {b64(SUMS['sha1'])}"}, offset=3)
    assert tus.patch(location, b"def", offset=3).status_code == 204
    assert tus.device.get(f"/api/files/{id_of(location)}/download").data == b"abcdef"


def test_a_discarded_chunk_does_not_tell_the_length_either(tus: Tus) -> None:
    location = tus.begin({"Upload-Length": None, "Upload-Defer-Length": "1"}, b"abc")
    before = left_on(tus.device)
    headers = {"Upload-Checksum": f"sha1 {b64(SUMS['sha1'])}", "Upload-Length": "6"}
    assert tus_refusal(tus.patch(location, b"xyz", headers, offset=3)) == (460, "Checksum mismatch")
    assert (left_on(tus.device), tus.head(location).headers.get("Upload-Defer-Length")) == (before, "1")


def test_a_summed_chunk_that_is_cut_short_is_discarded(tus: Tus) -> None:
    location = tus.begin({"Upload-Length": "10"}, b"abc")
    checksum = {"Upload-Checksum": f"sha1 {b64(hashlib.sha1(b'hel').digest())}"}
    response = tus.patch(location, b"hel", checksum, offset=3, environ_overrides={"CONTENT_LENGTH": "5"})
    assert tus_refusal(response) == (400, "The request body ended early")
    assert tus.offset(location) == "3"


def test_a_summed_chunk_past_the_length_is_discarded(tus: Tus) -> None:
    location = tus.begin(None, b"hel")
    response = tus.patch(location, DATA, {"Upload-Checksum": f"sha1 {b64(SUMS['sha1'])}"}, offset=3)
    assert (tus_refusal(response)[0], tus.offset(location)) == (413, "3")


class Trailed(io.BytesIO):
    """A body with trailers behind it, as the server hands them over."""

    def __init__(self, data: bytes, trailers: dict[str, str]) -> None:
        super().__init__(data)
        self.trailers = trailers


def trailed(data: bytes, **trailers: str) -> dict[str, Any]:
    """The arguments of a chunked request with trailers."""
    stream = Trailed(data, {name.replace("_", "-").upper(): value for name, value in trailers.items()})
    return {"environ_overrides": {"wsgi.input": stream, "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}}


ANNOUNCED = {"Trailer": "Upload-Checksum", "Transfer-Encoding": "chunked"}


@pytest.mark.parametrize("checksum", GOOD)
@pytest.mark.parametrize("announcement", ["Upload-Checksum", "upload-checksum", "X-Other , Upload-Checksum"])
def test_the_sum_may_come_behind_the_bytes(tus: Tus, announcement: str, checksum: str) -> None:
    location = tus.begin()
    response = tus.patch(
        location, b"", {**ANNOUNCED, "Trailer": announcement}, **trailed(DATA, upload_checksum=checksum)
    )
    assert (response.status_code, response.headers.get("Upload-Offset")) == (204, "5")
    assert tus.device.get(f"/api/files/{id_of(location)}/download").data == DATA


@pytest.mark.parametrize(
    ("trailers", "status", "reason"),
    [
        pytest.param({"upload_checksum": f"sha1 {b64(b'x' * 20)}"}, 460, "Checksum mismatch", id="mismatch"),
        pytest.param({}, 400, "that Trailer announces is missing", id="missing"),
        pytest.param({"other": "x"}, 400, "that Trailer announces is missing", id="another-one"),
        pytest.param({"upload_checksum": "md5 YQ=="}, 400, "must be one of", id="unknown-algorithm"),
        pytest.param({"upload_checksum": "sha1 YQ=="}, 400, "20 bytes", id="too-short"),
    ],
)
def test_a_wrong_sum_behind_the_bytes_discards_them(
    tus: Tus, trailers: dict[str, str], status: int, reason: str
) -> None:
    location = tus.begin({"Upload-Length": "10"}, b"abc")
    before = left_on(tus.device)
    told, text = tus_refusal(tus.patch(location, b"", ANNOUNCED, offset=3, **trailed(DATA, **trailers)))
    assert (told, reason in text) == (status, True)
    assert (left_on(tus.device), tus.offset(location)) == (before, "3")


def test_a_trailer_that_was_not_announced_says_nothing(tus: Tus) -> None:
    location = tus.begin()
    body = trailed(DATA, upload_checksum=f"sha1 {b64(b'x' * 20)}")
    assert tus.patch(location, b"", {"Transfer-Encoding": "chunked"}, **body).status_code == 204
    assert tus.offset(location) == "5"


RFC_9530 = ["Content-Digest", "Repr-Digest"]
NOT_ITS_DIGEST = [
    pytest.param(digest(b"hallo"), "The digest does not match the content", id="wrong"),
    pytest.param(
        f"{digest(DATA)}, {digest(b'hallo', 'sha-512')}", "The digest does not match the content", id="one-of-two"
    ),
    pytest.param("nonsense", None, id="malformed"),
]


@pytest.mark.parametrize("field", RFC_9530)
def test_a_digest_that_holds_lets_bytes_in(tus: Tus, field: str) -> None:
    location = tus.begin()
    headers = {field: digest(DATA), "Upload-Checksum": f"sha256 {b64(SUMS['sha256'])}"}
    assert tus.patch(location, DATA, headers).status_code == 204
    assert tus.post(headers, DATA).status_code == 201
    assert tus.device.get(f"/api/files/{id_of(location)}/download").data == DATA


@pytest.mark.parametrize(("value", "reason"), NOT_ITS_DIGEST)
def test_nothing_of_a_chunk_with_another_content_digest_counts(tus: Tus, value: str, reason: str | None) -> None:
    location = tus.begin({"Upload-Length": "8"}, b"abc")
    before = left_on(tus.device)
    response = tus.patch(location, DATA, {"Content-Digest": value}, offset=3)
    assert tus_refusal(response) == (400, reason or "Invalid Content-Digest header")
    assert (left_on(tus.device), tus.offset(location)) == (before, "3")


@pytest.mark.parametrize(
    ("field", "length"), [("Content-Digest", 6), *((field, n) for field in RFC_9530 for n in (0, 5))]
)
@pytest.mark.parametrize(("value", "reason"), NOT_ITS_DIGEST)
def test_a_creation_with_another_digest_leaves_nothing(
    tus: Tus, field: str, value: str, reason: str | None, length: int
) -> None:
    before = left_on(tus.device)
    response = tus.post({field: value, "Upload-Length": str(length)}, DATA if length else None)
    assert tus_refusal(response) == (400, reason or f"Invalid {field} header")
    assert left_on(tus.device) == before


@pytest.mark.parametrize("when", ["creation", "append"])
def test_an_upload_of_other_bytes_than_promised_is_never_a_file(tus: Tus, when: str) -> None:
    promised = {"Repr-Digest": digest(b"hallo")}
    location = tus.begin(promised if when == "creation" else {})
    response = tus.patch(location, DATA, promised if when == "append" else {})
    assert tus_refusal(response) == (400, "The digest does not match the content")
    assert tus.device.get(f"/api/files/{id_of(location)}/download").status_code == 404
    assert tus.delete(location).status_code == 204
