"""Reading multipart/form-data: beside Werkzeug's parser, cut at any place, and what is refused."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from flask import Flask
from hypothesis import assume, example, given
from hypothesis import strategies as st
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from tests.conftest import Device
from tests.web.chat.bench import Chat
from tests.web.forms import form, part
from transfer_service.errors import TransferError
from transfer_service.web.multipart_body import MultipartBody

BOUNDARY = b"b"
Parts = list[tuple[str, bytes]]


def body_of(parts: Parts, separator: bytes = b"\r\n") -> bytes:
    """A form; with an empty separator its boundaries follow what is before them directly."""
    head = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
    return b"".join(head % name.encode() + data + separator for name, data in parts) + b"--b--\r\n"


class Blocks:
    """A request's body, cut at some places."""

    def __init__(self, data: bytes, cuts: list[int]) -> None:
        places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        self._pieces = [data[start:stop] for start, stop in pairwise(places)]

    def blocks(self) -> Iterator[bytes]:
        yield from self._pieces


def ours(app: Flask, data: bytes, cuts: list[int]) -> Parts | None:
    """What our reader finds: the file and the fields, None where it refuses."""
    with app.test_request_context(method="POST", data=data, content_type="multipart/form-data; boundary=b"):
        body: Any = Blocks(data, cuts)
        reader = MultipartBody(body)
        try:
            reader.open_file_part()
            found = b"".join(reader.file_blocks())
            fields = [(name, value) for name in ("x", "y") if (value := reader.field(name)) is not None]
        except TransferError:
            return None
    return [("file", found), *((name, value.encode()) for name, value in fields)]


def werkzeugs(data: bytes) -> Parts | None:
    """What Werkzeug finds, in the same order; None where it refuses or there is no single file."""
    decoder = MultipartDecoder(BOUNDARY)
    decoder.receive_data(data)
    decoder.receive_data(None)
    found: dict[str, bytes] = {}
    name = ""
    try:
        while not isinstance(event := decoder.next_event(), (Epilogue, NeedData)):
            if isinstance(event, (Field, File)):
                name = event.name or ""
                if name in found:
                    return None
                found[name] = b""
            elif isinstance(event, Data):
                found[name] += event.data
    except (ValueError, RequestEntityTooLarge):
        return None
    if "file" not in found or not isinstance(event, Epilogue):
        return None
    return [(each, found[each]) for each in ("file", "x", "y") if each in found]


CONTENT = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b"--", b"--b", b"-", b"b", b"a", b"\r\n--", b":"]), max_size=8
)
PARTS = st.lists(
    st.tuples(st.sampled_from(["file", "x", "y"]), CONTENT.map(b"".join)),
    min_size=1,
    max_size=4,
    unique_by=lambda p: p[0],
)
CUTS = st.lists(st.integers(0, 400), max_size=12)


@given(parts=PARTS, separator=st.sampled_from([b"\r\n", b"", b"\r\n\r\n"]), cuts=CUTS)
@example(parts=[("file", b""), ("x", b"swallowed")], separator=b"", cuts=[])
@example(parts=[("x", b""), ("file", b"data")], separator=b"", cuts=[])
@example(parts=[("file", b"-"), ("x", b"1")], separator=b"", cuts=list(range(120)))
def test_what_is_read_is_what_werkzeug_reads(
    shared_app: Flask, parts: Parts, separator: bytes, cuts: list[int]
) -> None:
    data = body_of(parts, separator)
    assume(not re.search(rb"(?<!\r)\n--b|\r--b", data))  # Werkzeug takes other line ends for those of a boundary too
    found = ours(shared_app, data, cuts)
    assert found in (None, werkzeugs(data))
    assert found == ours(shared_app, data, [])  # wherever it is cut


@given(parts=PARTS.filter(lambda parts: "file" in dict(parts)), cuts=CUTS)
def test_a_form_as_clients_send_it_is_read(shared_app: Flask, parts: Parts, cuts: list[int]) -> None:
    harmless = [(name, data.replace(b"b", b"a")) for name, data in parts]
    found = ours(shared_app, body_of(harmless), cuts)
    assert found == sorted(harmless)


def raw(*lines: bytes) -> dict[str, Any]:
    """The arguments of a request with a form that is written out."""
    return {"data": b"\r\n".join(lines), "content_type": "multipart/form-data; boundary=b"}


FILE = b'Content-Disposition: form-data; name="file"; filename="a.bin"'
SECRET = b'Content-Disposition: form-data; name="secret"'
TIGHT = {
    "file-before-a-field": raw(b"--b", FILE, b"", b"--b", SECRET, b"", b"swallowed", b"--b--", b""),
    "file-at-the-end": raw(b"--b", FILE, b"", b"--b--", b""),
    "field-before-the-file": raw(b"--b", SECRET, b"", b"--b", FILE, b"", b"data", b"--b--", b""),
}


@pytest.mark.parametrize("path", ["/api/files", "/api/files/upload", "/messages/upload"])
@pytest.mark.parametrize("arguments", TIGHT.values(), ids=TIGHT)
def test_a_boundary_right_behind_a_header_swallows_nothing(
    device: Device, path: str, arguments: dict[str, Any]
) -> None:
    answer = device.post(path, **arguments)
    assert (answer.status_code, answer.get_json()) == (400, {"detail": "Malformed multipart body"})
    assert device.names() == []


@pytest.mark.parametrize("length", [b"0", b"3", b"99999", b"-1", b"x", b""])
def test_the_length_that_a_part_tells_is_ignored(device: Device, length: bytes) -> None:
    answer = device.post("/api/files", **raw(b"--b", b"Content-Length: " + length, FILE, b"", b"hello", b"--b--", b""))
    assert (answer.status_code, device.get("/download/a.bin").data) == (201, b"hello")


@pytest.mark.parametrize("path", ["/api/files", "/api/files/upload", "/messages/upload"])
@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"Content-Transfer-Encoding: base64", 400),
        (b"content-transfer-encoding:Quoted-Printable", 400),
        (b"Content-Encoding: gzip", 415),
    ],
)
@pytest.mark.parametrize("of_field", [False, True], ids=["file", "field"])
def test_a_part_in_an_encoding_is_refused(
    device: Device, path: str, header: bytes, status: int, of_field: bool
) -> None:
    parts = [[b"--b", SECRET, b"", b"x"], [b"--b", FILE, b"", b"aGVsbG8="]]
    parts[0 if of_field else 1].insert(1, header)
    answer = device.post(path, **raw(*parts[0], *parts[1], b"--b--", b""))
    assert (answer.status_code, device.names()) == (status, [])


@pytest.mark.parametrize("value", [b"binary", b"8bit", b" 7BIT "])
def test_a_part_as_it_is_may_say_so(device: Device, value: bytes) -> None:
    header = b"Content-Transfer-Encoding:" + value
    answer = device.post("/api/files", **raw(b"--b", header, FILE, b"", b"hello", b"--b--", b""))
    assert (answer.status_code, device.get("/download/a.bin").data) == (201, b"hello")


def test_a_caption_in_two_versions_is_refused(app: Flask) -> None:
    chat = Chat(app)
    group = chat.group("bob")
    fields = [part("conversation_id", group.encode()), part("content", b"one"), part("content", b"two")]
    answer = chat["alice"].post("/messages/upload", **form(*fields, part("file", b"x", filename=b"a.bin")))
    assert answer.get_json() == {"detail": "Form field given more than once: content"}
    assert chat.history(group) == []
