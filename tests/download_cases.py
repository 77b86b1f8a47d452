"""Conditions and ranges of a download as one table, for every path a file goes out on (RFC 9110 sections 13, 14)."""

from datetime import timedelta
from typing import Any

import pytest
from werkzeug.http import http_date, parse_date

DATA = bytes(range(256)) * 4
LENGTH = len(DATA)
PAST, FUTURE = "Fri, 01 Jan 1999 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"

Expected = tuple[int, str | None, bytes | None]
"""Status, Content-Range and body; None for a body that is an error."""


def fill(headers: dict[str, str], *, etag: str, modified: str) -> dict[str, str]:
    """Headers with a file's validators in place of their names in the table."""
    at = parse_date(modified)
    assert at is not None
    known = {
        "ETAG": etag,
        "MODIFIED": modified,
        "LATER": http_date(at + timedelta(hours=1)),
        "EARLIER": http_date(at - timedelta(seconds=1)),
    }
    filled = {}
    for field, value in headers.items():
        for name, text in known.items():
            value = value.replace(name, text)
        filled[field] = value
    return filled


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
    pytest.param({"Range": "bytes=0-9,5-14"}, piece(0, 15), id="overlapping"),
    pytest.param({"Range": "bytes=5-9,0-4"}, piece(0, 10), id="touching"),
    pytest.param({"Range": "bytes=0-,0-,-1024"}, piece(0, LENGTH), id="three-times-the-file"),
    pytest.param({"Range": "bytes=0-4, "}, piece(0, 5), id="empty-member"),
    pytest.param({"Range": "bytes= 0-4"}, piece(0, 5), id="blank-before-the-range"),
    pytest.param({"Range": "bytes=" + "0" * 30 + "7-8"}, piece(7, 9), id="leading-zeros"),
    pytest.param({"Range": "bytes=0-" + "9" * 30}, piece(0, LENGTH), id="enormous-end"),
    pytest.param({"Range": "bytes=-" + "9" * 30}, piece(0, LENGTH), id="enormous-suffix"),
    pytest.param({"Range": "bytes=0 - 4"}, WHOLE, id="blanks-inside"),
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
