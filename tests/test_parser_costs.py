"""What the parsers of a stranger's or a member's bytes cost at the most that is permitted (docs/architecture.md).

They run on the event loop, where they hold up everybody: the table promises 50 ms at most, measured alone. The bound
here is generous, and far below what each of them cost without its limits.
"""

import base64
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import jwt
import pytest
from flask import Flask, request
from gunicorn.config import Config
from gunicorn.http.errors import ParseException as HTTPParseError
from gunicorn.http.unreader import IterUnreader
from multipart import MultipartError, PushMultipartParser
from werkzeug.http import parse_cookie, parse_options_header

from transfer_service.errors import TransferError
from transfer_service.server.worker import HEAD_BYTES, BoundedRequest
from transfer_service.wire import conditions, digests, filenames, ranges, rufh, tus
from transfer_service.wire.attachments import attachment_media_type, safe_filename
from transfer_service.wire.filenames import parse_name
from transfer_service.wire.instants import parse_instant
from transfer_service.wire.json_text import parse_object
from transfer_service.wire.media_types import stored_media_type
from transfer_service.wire.socket_packets import parse_packet

MOST_SECONDS = 0.15
MIB, LINE, MESSAGE = 1024 * 1024, 8190, 50 * 1024 * 1024
EVENT = '42["send_message",{"x":'
PART = b"Content-Disposition: form-data; name=file\r\n\r\n"
COMBINING = "\u0315\u0300"  # the order of such marks is found by insertion: a long run of them takes its square


def filled(head: str, filler: str, size: int, tail: str = "") -> str:
    """`filler` again and again between the two, up to `size` characters."""
    return head + filler * ((size - len(head) - len(tail)) // len(filler)) + tail


def packet(start: str, filler: str, tail: str = "") -> Callable[[], object]:
    return lambda: parse_packet(message(start, filler, tail))


@lru_cache(maxsize=1)  # made in the first run, so that the second one measures the parser alone
def message(start: str, filler: str, tail: str) -> str:
    return filled(start, filler, MESSAGE, tail)


def token(part: str) -> str:
    return base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") + ".e30.AAAA"


def head(*fields: bytes) -> Callable[[], object]:
    data = b"GET / HTTP/1.1\r\n" + b"\r\n".join(fields) + b"\r\n\r\n"
    return lambda: BoundedRequest(Config(), IterUnreader([data]), ("127.0.0.1", 1), 1)


def form(part: bytes, filler: bytes) -> Callable[[], object]:
    data = b"--b\r\n" + part + filler * (4 * MIB // len(filler))

    def parse() -> None:
        with PushMultipartParser("b", max_segment_count=32) as parser:
            list(parser.parse(data[: 256 * 1024]))  # a block: others run before the next one

    return parse


def body(text: str, size: int = MIB) -> Callable[[], object]:
    data = text.encode()
    assert len(data) <= size
    return lambda: parse_object(data)


def of_request(read: Callable[[], object], **environ: Any) -> Callable[[], object]:
    def parse() -> object:
        with Flask(__name__).test_request_context("/", **environ):
            return read()

    return parse


CASES: dict[str, Callable[[], object]] = {
    "head: one long field": head(b"X: " + b"x" * LINE),
    "head: a hundred fields": head(*[b"X%d: " % n + b"x" * (HEAD_BYTES // 100) for n in range(99)]),
    "head: short lines": head(*[b"X:"] * (HEAD_BYTES // 4)),
    "query: names": of_request(lambda: list(request.args.lists()), query_string=filled("", "a&", LINE)),
    "query: escapes": of_request(lambda: list(request.args.lists()), query_string=filled("", "%C3%A9=&", LINE)),
    "form: names": of_request(
        lambda: list(request.form.lists()),
        method="POST", data=filled("", "a&", 16 * 1024).encode(), content_type="application/x-www-form-urlencoded",
    ),
    "cookies": lambda: parse_cookie(filled("", "a=;", LINE)),
    "cookies: quotes": lambda: parse_cookie(filled("", 'a="\\', LINE)),
    "Accept": of_request(
        lambda: request.accept_mimetypes.best_match(["text/html"]), headers={"Accept": filled("", "a/b;q=0.1,", LINE)}
    ),
    "Content-Type": lambda: parse_options_header(filled("multipart/form-data", ';a="\\"', LINE)),
    "media type": lambda: stored_media_type(filled("a/b", ";a=b", LINE), "a"),
    "Range": lambda: ranges.select_ranges(filled("bytes=0-0", ",0-0", LINE), 10**12),
    "Range: digits": lambda: ranges.select_ranges(filled("bytes=", "9", LINE, "-"), 10**12),
    "If-None-Match": lambda: conditions.parse_tag_list(filled("", '"",', LINE)),
    "If-None-Match: blanks": lambda: conditions.parse_tag_list(filled("", " ,", LINE, "x")),
    "dates": lambda: conditions.parse_http_date(filled("Sun, ", "9", LINE)),
    "instants": lambda: parse_instant(filled("2024-01-01T", "1", LINE)),
    "digests": lambda: digests.parse_digests(filled("", "a=:AAAA:,", LINE), field="Content-Digest"),
    "digests: blanks": lambda: digests.parse_digests(filled("a", " ", LINE, "x"), field="Content-Digest"),
    "Content-Disposition: quotes": lambda: filenames.parse_filename(filled("form-data", ';a="\\"', LINE)),
    "Content-Disposition: parameters": lambda: filenames.parse_filename(filled("form-data", ";a=", LINE)),
    "Content-Disposition: blanks": lambda: filenames.parse_filename(filled("form-data;a", " ", LINE, "x")),
    "Content-Disposition: apostrophes": lambda: filenames.parse_filename(filled("a;filename*=utf-8", "'", LINE)),
    "names": lambda: parse_name(filled("a", COMBINING, 16 * 1024)),
    "names: of attachments": lambda: safe_filename(filled("a", COMBINING, MIB)),
    "names: separators": lambda: safe_filename(filled("a", "/.", MIB)),
    "names: removed": lambda: attachment_media_type(None, safe_filename(filled("", "\u202e.", MIB))),
    "multipart: near boundaries": form(PART, b"\r\n--"),
    "multipart: line ends": form(PART, b"\r"),
    "multipart: fields": form(b"", b"X: y\r\n"),
    "multipart: a field without an end": form(b"X: ", b"y"),
    "JSON: lists": body(filled('{"a":[[]', ",[]", MIB)),
    "JSON: objects": body(filled('{"a":[{}', ",{}", MIB)),
    "JSON: keys": body(filled("{", '"":0,', MIB)),
    "JSON: numbers": body(filled('{"a":[', "1e5,", MIB)),
    "JSON: digits": body(filled('{"a":', "9", MIB)),
    "JSON: escapes": body(filled('{"a":"', "\\n", MIB, '"}')),
    "JSON: permitted structure": body(filled('{"a":[[]', ",[]", 60 * 1024, "]}")),
    "JSON: permitted escapes": body(filled('{"a":"', "\\u00e9", 6 * 130_000, '"}')),
    "JSON: depth": body("{" + '"a":[' * 10_000),
    "socket: lists": packet(EVENT, "[],"),
    "socket: escaped quotes": packet(EVENT + '"', '\\"'),
    "socket: backslashes": packet(EVENT + '"', "\\", '"'),
    "socket: strings": packet(EVENT, '"",'),
    "socket: a file": packet(EVENT + '"","file_data":"', "A", '"}]'),
    "socket: digits": packet("42", "9"),
    "socket: a namespace": packet("42/", "n"),
    "Upload-Metadata: keys": lambda: tus.parse_metadata(",".join(f"{n:x}" for n in range(1600))),
    "Upload-Metadata: one value": lambda: tus.parse_metadata(filled("filename ", "YWFh", LINE)),
    "Upload-Metadata: a name": lambda: parse_name(base64.b64decode(filled("", "zJXMgA==", LINE)).decode()),
    "Upload-Concat": lambda: tus.upload_ids_of(
        tus.parse_concat(filled("final;", "/api/uploads/00000000-0000-0000-0000-000000000000 ", LINE)),
        path_prefix="/api/uploads",
    ),
    "Upload-Concat: short ones": lambda: tus.parse_concat(filled("final;", "a ", LINE)),
    "Upload-Checksum": lambda: tus.parse_checksum(filled("sha1 ", "A", LINE)),
    "structured fields: parameters": lambda: rufh.parse_append(
        rufh.Version.V8,
        {"Content-Type": rufh.MEDIA_TYPE, "Upload-Offset": filled("1", ";a=1", LINE)},
        content_length=1,
    ),
    "structured fields: blanks": lambda: rufh.parse_append(
        rufh.Version.V8,
        {"Content-Type": rufh.MEDIA_TYPE, "Upload-Offset": filled("1", ";a ", LINE, ";")},
        content_length=1,
    ),
    "token: brackets": lambda: jwt.decode(token("[" * (LINE // 4 * 3)), "k" * 32, algorithms=["HS256"]),
    "token: members": lambda: jwt.decode(
        token(filled('{"alg":"HS256"', ',"a":{}', 6000, "}")), "k" * 32, algorithms=["HS256"]
    ),
}  # fmt: skip


@pytest.mark.alone
@pytest.mark.parametrize("case", CASES)
def test_the_most_that_is_permitted_costs_little(case: str) -> None:
    parse = CASES[case]
    seconds = []
    for _ in range(2):  # the first one may meet a collection of garbage that is not its own
        start = time.process_time()
        with suppress(
            TransferError,
            MultipartError,
            jwt.PyJWTError,
            HTTPParseError,
            ranges.Unsatisfiable,
            ValueError,
            RecursionError,
        ):
            parse()
        seconds.append(time.process_time() - start)
    assert min(seconds) < MOST_SECONDS
