"""Reading a file: `GET|HEAD` at each of the three doors, by RFC 9110 sections 13 and 14."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
from flask import Flask
from werkzeug.http import http_date, parse_date, parse_options_header

from tests.conftest import Clock, Device
from tests.web.conftest import signed_in

DATA = bytes(range(256)) * 4
LENGTH = len(DATA)
PAST, FUTURE = "Fri, 01 Jan 1999 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
DOORS = [
    "/api/files/{file_id}/download",
    "/api/files/download/{filename}",
    "/download/{filename}",
    "/download/{file_id}",
]


class Stored(NamedTuple):
    """A file on the shared app, with the validators that its first download told."""

    device: Device
    facts: dict[str, Any]
    etag: str
    modified: str

    def fill(self, headers: dict[str, str]) -> dict[str, str]:
        """Headers with this file's validators in place of their names."""
        modified = parse_date(self.modified)
        assert modified is not None
        known = {
            "ETAG": self.etag,
            "MODIFIED": self.modified,
            "LATER": http_date(modified + timedelta(hours=1)),
            "EARLIER": http_date(modified - timedelta(seconds=1)),
        }
        filled = {}
        for field, value in headers.items():
            for name, text in known.items():
                value = value.replace(name, text)
            filled[field] = value
        return filled


@pytest.fixture(scope="module")
def stored(shared_app: Flask) -> Stored:
    device = signed_in(shared_app, "alice")
    facts = device.store(DATA, "data.bin")
    first = device.get("/api/files/download/data.bin")
    return Stored(device, facts, first.headers["ETag"], first.headers["Last-Modified"])


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest, stored: Stored) -> str:
    path: str = request.param.format(**stored.facts)
    return path


WHOLE = (200, None, DATA)


def piece(start: int, stop: int) -> tuple[int, str, bytes]:
    return 206, f"bytes {start}-{stop - 1}/{LENGTH}", DATA[start:stop]


UNSATISFIED = (416, f"bytes */{LENGTH}", None)
UNCHANGED = (304, None, b"")
FAILED = (412, None, None)
R = "bytes=0-9"

CASES: list[Any] = [
    pytest.param({}, WHOLE, id="plain"),
    # ranges
    pytest.param({"Range": "bytes=0-0"}, piece(0, 1), id="first-byte"),
    pytest.param({"Range": "bytes=1000-"}, piece(1000, LENGTH), id="open-end"),
    pytest.param({"Range": "bytes=0-"}, piece(0, LENGTH), id="from-the-start"),
    pytest.param({"Range": "bytes=1000-5000"}, piece(1000, LENGTH), id="end-past-the-file"),
    pytest.param({"Range": "bytes=-10"}, piece(LENGTH - 10, LENGTH), id="suffix"),
    pytest.param({"Range": "bytes=-5000"}, piece(0, LENGTH), id="suffix-longer-than-the-file"),
    pytest.param({"Range": "bytes=-0"}, UNSATISFIED, id="empty-suffix"),
    pytest.param({"Range": f"bytes={LENGTH}-"}, UNSATISFIED, id="past-the-end"),
    pytest.param({"Range": "bytes=5000-6000"}, UNSATISFIED, id="far-past-the-end"),
    pytest.param({"Range": "bytes=5000-6000,-0"}, UNSATISFIED, id="only-unsatisfiable-ranges"),
    pytest.param({"Range": "bytes=5000-6000,0-4"}, piece(0, 5), id="one-of-two-is-satisfiable"),
    pytest.param({"Range": "BYTES=0-4"}, piece(0, 5), id="unit-in-capitals"),
    pytest.param({"Range": "items=0-5"}, WHOLE, id="unknown-unit"),
    pytest.param({"Range": "bytes=5-2"}, WHOLE, id="reversed"),
    pytest.param({"Range": "bytes=a-b"}, WHOLE, id="letters"),
    pytest.param({"Range": "bytes=-"}, WHOLE, id="only-a-hyphen"),
    pytest.param({"Range": "bytes="}, WHOLE, id="no-range"),
    pytest.param({"Range": "bytes"}, WHOLE, id="only-the-unit"),
    pytest.param({"Range": ""}, WHOLE, id="empty-range"),
    pytest.param({"Range": "bytes=0-4,x"}, WHOLE, id="one-malformed-of-two"),
    pytest.param({"Range": "bytes=" + "9" * 5000 + "-"}, UNSATISFIED, id="enormous-number"),
    pytest.param({"Range": "bytes=" + ",".join(f"{n}-{n}" for n in range(17))}, WHOLE, id="seventeen-ranges"),
    pytest.param({"Range": "bytes=" + ",".join(["0-0"] * 500)}, WHOLE, id="five-hundred-ranges"),
    # If-Match, If-Unmodified-Since
    pytest.param({"If-Match": "ETAG"}, WHOLE, id="if-match-hit"),
    pytest.param({"If-Match": '"other", ETAG'}, WHOLE, id="if-match-hit-in-a-list"),
    pytest.param({"If-Match": "*"}, WHOLE, id="if-match-star"),
    pytest.param({"If-Match": '"other"'}, FAILED, id="if-match-miss"),
    pytest.param({"If-Match": "W/ETAG"}, FAILED, id="if-match-weak"),
    pytest.param({"If-Match": "ETAG", "Range": R}, piece(0, 10), id="if-match-hit-and-range"),
    pytest.param({"If-Match": '"other"', "Range": R}, FAILED, id="if-match-miss-and-range"),
    pytest.param({"If-Unmodified-Since": PAST}, FAILED, id="if-unmodified-since-past"),
    pytest.param({"If-Unmodified-Since": "EARLIER"}, FAILED, id="if-unmodified-since-a-second-before"),
    pytest.param({"If-Unmodified-Since": "MODIFIED"}, WHOLE, id="if-unmodified-since-exact"),
    pytest.param({"If-Unmodified-Since": FUTURE}, WHOLE, id="if-unmodified-since-future"),
    pytest.param({"If-Unmodified-Since": "yesterday"}, WHOLE, id="if-unmodified-since-nonsense"),
    pytest.param({"If-Match": "ETAG", "If-Unmodified-Since": PAST}, WHOLE, id="if-match-before-if-unmodified-since"),
    pytest.param({"If-Match": '"other"', "If-None-Match": "ETAG"}, FAILED, id="412-before-304"),
    # If-None-Match, If-Modified-Since
    pytest.param({"If-None-Match": "ETAG"}, UNCHANGED, id="if-none-match-hit"),
    pytest.param({"If-None-Match": "W/ETAG"}, UNCHANGED, id="if-none-match-weak"),
    pytest.param({"If-None-Match": '"other", ETAG'}, UNCHANGED, id="if-none-match-hit-in-a-list"),
    pytest.param({"If-None-Match": "*"}, UNCHANGED, id="if-none-match-star"),
    pytest.param({"If-None-Match": '"other"'}, WHOLE, id="if-none-match-miss"),
    pytest.param({"If-None-Match": "ETAG", "Range": R}, UNCHANGED, id="if-none-match-hit-before-range"),
    pytest.param({"If-None-Match": "ETAG", "Range": "bytes=5000-"}, UNCHANGED, id="304-before-416"),
    pytest.param({"If-None-Match": '"other"', "Range": R}, piece(0, 10), id="if-none-match-miss-and-range"),
    pytest.param({"If-Modified-Since": "MODIFIED"}, UNCHANGED, id="if-modified-since-exact"),
    pytest.param({"If-Modified-Since": "LATER"}, UNCHANGED, id="if-modified-since-later"),
    pytest.param({"If-Modified-Since": FUTURE}, UNCHANGED, id="if-modified-since-future"),
    pytest.param({"If-Modified-Since": "EARLIER"}, WHOLE, id="if-modified-since-a-second-before"),
    pytest.param({"If-Modified-Since": PAST}, WHOLE, id="if-modified-since-past"),
    pytest.param({"If-Modified-Since": "soon"}, WHOLE, id="if-modified-since-nonsense"),
    pytest.param({"If-Modified-Since": "MODIFIED", "Range": R}, UNCHANGED, id="if-modified-since-before-range"),
    pytest.param({"If-None-Match": '"other"', "If-Modified-Since": FUTURE}, WHOLE, id="if-none-match-alone-counts"),
    # If-Range
    pytest.param({"If-Range": "ETAG", "Range": R}, piece(0, 10), id="if-range-hit"),
    pytest.param({"If-Range": "W/ETAG", "Range": R}, WHOLE, id="if-range-weak"),
    pytest.param({"If-Range": '"other"', "Range": R}, WHOLE, id="if-range-miss"),
    pytest.param({"If-Range": "MODIFIED", "Range": R}, piece(0, 10), id="if-range-exact-date"),
    pytest.param({"If-Range": "LATER", "Range": R}, WHOLE, id="if-range-later-date"),
    pytest.param({"If-Range": "EARLIER", "Range": R}, WHOLE, id="if-range-earlier-date"),
    pytest.param({"If-Range": "nonsense", "Range": R}, WHOLE, id="if-range-nonsense"),
    pytest.param({"If-Range": '"other"', "Range": "bytes=5000-"}, WHOLE, id="if-range-miss-past-the-end"),
    pytest.param({"If-Range": "ETAG"}, WHOLE, id="if-range-without-range"),
]


@pytest.mark.parametrize(("headers", "expected"), CASES)
def test_conditions_and_ranges(
    stored: Stored, door: str, headers: dict[str, str], expected: tuple[int, str | None, bytes | None]
) -> None:
    response = stored.device.get(door, headers=stored.fill(headers))
    status, content_range, body = expected
    assert (response.status_code, response.headers.get("Content-Range")) == (status, content_range)
    assert body is None or response.data == body
    assert response.headers["ETag"] == stored.etag  # a 304 with a tag needs no date (RFC 9110 section 15.4.5)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="plain"),
        pytest.param({"Range": "bytes=0-4"}, 200, id="range"),
        pytest.param({"Range": "bytes=5000-"}, 200, id="range-past-the-end"),
        pytest.param({"Range": "bytes=0-4", "If-Range": "ETAG"}, 200, id="if-range"),
        pytest.param({"If-None-Match": "ETAG"}, 304, id="if-none-match"),
        pytest.param({"If-Match": '"other"'}, 412, id="if-match"),
    ],
)
def test_head_says_what_get_says_without_ranges(
    stored: Stored, door: str, headers: dict[str, str], status: int
) -> None:
    filled = stored.fill(headers)
    head = stored.device.request("HEAD", door, headers=filled)
    filled.pop("Range", None)
    get = stored.device.get(door, headers=filled)
    assert (head.status_code, head.data) == (status, b"")
    ignored = ("Date", "X-Request-Id")
    assert [pair for pair in head.headers if pair[0] not in ignored] == [
        pair for pair in get.headers if pair[0] not in ignored
    ]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_headers_of_a_whole_file(stored: Stored, door: str, method: str) -> None:
    response = stored.device.request(method, door)
    headers = dict(response.headers)
    assert headers.pop("X-Request-Id")
    assert headers == {
        "Content-Type": "application/octet-stream",
        "Content-Length": "1024",
        "Content-Disposition": "attachment; filename=\"data.bin\"; filename*=UTF-8''data.bin",
        "Accept-Ranges": "bytes",
        "ETag": stored.etag,
        "Last-Modified": stored.modified,
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }


def test_the_tag_is_strong_and_the_date_is_an_http_date(stored: Stored) -> None:
    assert stored.etag.startswith('"')
    assert stored.etag.endswith('"')
    assert datetime.strptime(stored.modified, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        pytest.param("bytes=0-0,5-6", [(0, 1), (5, 7)], id="two"),
        pytest.param("bytes=5-6, 0-0", [(5, 7), (0, 1)], id="in-the-order-asked"),
        pytest.param("bytes=0-4,-3", [(0, 5), (LENGTH - 3, LENGTH)], id="with-a-suffix"),
        pytest.param("bytes=0-0,5000-,7-7", [(0, 1), (7, 8)], id="without-the-unsatisfiable"),
        pytest.param(
            "bytes=" + ",".join(f"{n * 10}-{n * 10 + 1}" for n in range(16)),
            [(n * 10, n * 10 + 2) for n in range(16)],
            id="sixteen",
        ),
    ],
)
def test_several_ranges_are_multipart(stored: Stored, door: str, value: str, spans: list[tuple[int, int]]) -> None:
    response = stored.device.get(door, headers={"Range": value}, buffered=True)
    media_type, options = parse_options_header(response.headers["Content-Type"])
    assert (response.status_code, media_type) == (206, "multipart/byteranges")
    assert int(response.headers["Content-Length"]) == len(response.data)
    assert byteranges(response.data, options["boundary"]) == [
        ("application/octet-stream", f"bytes {start}-{stop - 1}/{LENGTH}", DATA[start:stop]) for start, stop in spans
    ]


def byteranges(body: bytes, boundary: str) -> list[tuple[str, str, bytes]]:
    """Content-Type, Content-Range and bytes of each part; every byte of the body has to belong to the format."""
    preamble, *parts, closing = (b"\r\n" + body.removeprefix(b"\r\n")).split(b"\r\n--" + boundary.encode())
    assert (preamble, closing.strip()) == (b"", b"--")
    found = []
    for each in parts:
        head, _, data = each.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        found.append((fields["Content-Type"], fields["Content-Range"], data))
    return found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("bytes=0-", (416, "bytes */0"), id="first"),
        pytest.param("bytes=0-0,1-1", (416, "bytes */0"), id="several"),
        pytest.param("bytes=-0", (416, "bytes */0"), id="empty-suffix"),
        pytest.param("bytes=-5", (200, None), id="suffix"),  # satisfiable, but no Content-Range can say so
    ],
)
def test_ranges_of_an_empty_file(stored: Stored, value: str, expected: tuple[int, str | None]) -> None:
    stored.device.store(b"", "empty.bin", query={"overwrite": "true"})
    response = stored.device.get("/download/empty.bin", headers={"Range": value})
    assert (response.status_code, response.headers.get("Content-Range")) == expected


HOSTILE = ['a"b.txt', "a%22b.txt", "文件 é.bin", "a;filename=evil.exe", "'x'.txt", "100%.txt", "😀", "ファイル" * 20]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_within_its_header(stored: Stored, name: str) -> None:
    facts = stored.device.store(b"x", name, query={"overwrite": "true"})
    value = stored.device.get(f"/api/files/{facts['file_id']}/download").headers["Content-Disposition"]
    plain, _, extended = value.removeprefix("attachment; filename=").partition("; filename*=UTF-8''")
    assert unquote(extended) == name
    assert plain.isascii() and plain[0] == plain[-1] == '"' and len(plain) > 2
    assert not set('"\\%') & set(plain[1:-1])


def test_the_validators_stay_until_the_bytes_change(device: Device, clock: Clock) -> None:
    device.store(b"old")
    first, again = (device.get("/download/log.bin").headers for _ in range(2))
    clock.advance(seconds=5)
    device.store(b"new", query={"overwrite": "true"})
    replaced = device.get("/download/log.bin").headers
    assert (first["ETag"], first["Last-Modified"]) == (again["ETag"], again["Last-Modified"])
    assert first["ETag"] != replaced["ETag"]
    assert first["Last-Modified"] != replaced["Last-Modified"]
