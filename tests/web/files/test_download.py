"""Reading a file: `GET|HEAD` at each of the three doors, by RFC 9110 sections 13 and 14."""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
from flask import Flask
from werkzeug.http import parse_options_header

from tests.conftest import Clock, Device
from tests.download_cases import CASES, DATA, LENGTH, Expected, fill
from tests.web.conftest import signed_in

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
        return fill(headers, etag=self.etag, modified=self.modified)


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


@pytest.mark.parametrize(("headers", "expected"), CASES)
def test_conditions_and_ranges(stored: Stored, door: str, headers: dict[str, str], expected: Expected) -> None:
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
        "Content-Disposition": 'attachment; filename="data.bin"',
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


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-0,1-1", "bytes=-0", "bytes=-5", "bytes=7-"])
def test_an_empty_file_has_no_ranges(stored: Stored, value: str) -> None:
    stored.device.store(b"", "empty.bin", query={"overwrite": "true"})
    response = stored.device.get("/download/empty.bin", headers={"Range": value})
    assert (response.status_code, response.data, response.headers.get("Content-Range")) == (200, b"", None)


HOSTILE = ['a"b.txt', "a%22b.txt", "文件 é.bin", "a;filename=evil.exe", "'x'.txt", "100%.txt", "😀", "ファイル" * 20]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_within_its_header(stored: Stored, name: str) -> None:
    facts = stored.device.store(b"x", name, query={"overwrite": "true"})
    value = stored.device.get(f"/api/files/{facts['file_id']}/download").headers["Content-Disposition"]
    plain, _, extended = value.removeprefix("attachment; filename=").partition("; filename*=UTF-8''")
    assert unquote(extended) == name or plain == f'"{name}"'
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
