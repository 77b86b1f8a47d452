"""multipart/form-data with one large part: `file` is streamed, the small fields are kept."""

from collections import deque
from collections.abc import Iterator
from typing import Any, TypeAlias

from flask import request
from multipart import MultipartError, MultipartSegment, ParserError, PushMultipartParser
from werkzeug.http import parse_options_header

from transfer_service.errors import InvalidRequest, UnsupportedMediaType
from transfer_service.web.request_body import RequestBody
from transfer_service.wire.filenames import parse_form_filename

OVERHEAD_BYTES = 512 * 1024
MAX_FIELD_BYTES = 256 * 1024  # the longest caption, in characters of four bytes
MAX_PARTS = 32
AHEAD_BYTES = 1024 * 1024
FILE_PART = "file"

Event: TypeAlias = MultipartSegment | bytes | bytearray | None


def is_multipart() -> bool:
    """Whether the request carries a form."""
    return request.mimetype == "multipart/form-data"


class MultipartBody:
    """The form of the current request, read once from front to back."""

    def __init__(self, body: RequestBody) -> None:
        self._fields: dict[str, str] = {}
        self._repeated: set[str] = set()
        self._body = body
        self._events = self._parse()
        self._ahead: deque[bytes] = deque()
        self._file_has_ended = False
        self.is_at_end = False

    def open_file_part(self) -> MultipartSegment:
        """Read up to the part `file` and give its header. Raises InvalidRequest where there is none."""
        for event in self._events:
            if isinstance(event, MultipartSegment):
                if event.name == FILE_PART:
                    return event
                self._read_field(event)
        raise InvalidRequest("Missing file part")

    def field(self, name: str) -> str | None:
        """A field that has come by now. Raises InvalidRequest where it came with two values."""
        if name in self._repeated:  # one of them would be ignored
            raise InvalidRequest(f"Form field given more than once: {name}")
        return self._fields.get(name)

    def all_fields(self) -> dict[str, str]:
        """Every field, once `file_blocks` has ended. Raises InvalidRequest where one came with two values."""
        for name in self._repeated:
            self.field(name)
        return dict(self._fields)

    def read_ahead(self) -> None:
        """Read a small file whole, and the fields behind it. Raises InvalidRequest."""
        size = 0
        for block in self._file_events():
            self._ahead.append(block)
            size += len(block)
            if size > AHEAD_BYTES:
                return

    def file_blocks(self) -> Iterator[bytes]:
        """The data of the part that `open_file_part` found, then the fields behind it are read.

        Raises InvalidRequest.
        """
        while self._ahead:
            yield self._ahead.popleft()
        yield from self._file_events()

    def _file_events(self) -> Iterator[bytes]:
        if self._file_has_ended:
            return
        for event in self._events:
            if not isinstance(event, (bytes, bytearray)):
                break
            yield bytes(event)
        self._file_has_ended = True
        for event in self._events:
            if isinstance(event, MultipartSegment):
                if event.name == FILE_PART:
                    raise InvalidRequest("More than one file part")
                self._read_field(event)
        self.is_at_end = True

    def _read_field(self, segment: MultipartSegment) -> None:
        data = bytearray()
        for event in self._events:
            if not isinstance(event, (bytes, bytearray)):
                break
            data += event
            if len(data) > MAX_FIELD_BYTES:
                raise InvalidRequest("A form field is too long")
        name = segment.name or ""
        try:
            value = data.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest("A form field is not valid UTF-8") from error
        if self._fields.setdefault(name, value) != value:
            self._repeated.add(name)

    def _parse(self) -> Iterator[Event]:
        boundary = parse_options_header(request.headers.get("Content-Type"))[1].get("boundary", "")
        try:
            with _FormParser(boundary, max_segment_count=MAX_PARTS) as parser:
                for block in self._body.blocks():
                    yield from parser.parse(block)
        except (MultipartError, ParserError, UnicodeError, ValueError) as error:
            raise InvalidRequest("Malformed multipart body") from error


def filename_of(part: MultipartSegment) -> str | None:
    """The file name in the header of a part. Raises InvalidName where it is not UTF-8."""
    return parse_form_filename(part.header("Content-Disposition", ""))


class _FormParser(PushMultipartParser):  # type: ignore[misc] # the library is one untyped module
    """The library's parser, with what it gets wrong in the header of a part and right behind it."""

    def _on_segment_headerline(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            # Where a part ends only the boundary says (RFC 7578 section 4.8); clients have sent any number here.
            if len(self._segment_headerlist) >= self.max_header_count:
                raise ParserError("Too many headers")
            self._segment_headerlist.append(("Content-Length", value.strip().decode("ascii", "replace")))
            return
        super()._on_segment_headerline(line)

    def _create_segment(self, headerlist: list[tuple[str, str]]) -> MultipartSegment:
        for name, value in headerlist:
            word = value.strip().lower()
            if name == "Content-Transfer-Encoding" and word not in {"7bit", "8bit", "binary"}:
                raise InvalidRequest("A part must not have a Content-Transfer-Encoding")  # RFC 7578 section 4.7
            if name == "Content-Encoding" and word != "identity":
                raise UnsupportedMediaType("A part must not have a Content-Encoding")
        segment: MultipartSegment = super()._create_segment(headerlist)
        return segment

    _begins_like_boundary = False

    def _on_segment_payload(self, chunk: bytes) -> Any:
        """Refuse a boundary that follows the header directly: the library takes it for data, and the next part too.

        RFC 2046 section 5.1.1 may be read so that such a part is empty.
        """
        seen = self._segment.bytes_received
        expected = self._delimiter[2:]
        if seen < len(expected):
            self._begins_like_boundary = (seen == 0 or self._begins_like_boundary) and chunk.startswith(
                expected[seen : seen + len(chunk)]
            )
            if self._begins_like_boundary and seen + len(chunk) >= len(expected):
                raise ParserError("A boundary follows the header of a part")
        return super()._on_segment_payload(chunk)
