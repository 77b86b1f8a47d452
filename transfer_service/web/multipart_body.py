"""multipart/form-data with one large part: `file` is streamed, the small fields are kept."""

from collections.abc import Iterator

from flask import request
from multipart import MultipartError, MultipartSegment, ParserError, PushMultipartParser
from werkzeug.http import parse_options_header

from transfer_service.errors import InvalidRequest
from transfer_service.web.request_body import RequestBody

OVERHEAD_BYTES = 512 * 1024
MAX_FIELD_BYTES = 256 * 1024  # the longest caption, in characters of four bytes
MAX_PARTS = 32
FILE_PART = "file"


def is_multipart() -> bool:
    """Whether the request carries a form."""
    return request.mimetype == "multipart/form-data"


class MultipartBody:
    """The form of the current request, read once from front to back."""

    def __init__(self, body: RequestBody) -> None:
        self.fields: dict[str, str] = {}
        self._body = body
        self._events = self._parse()

    def open_file_part(self) -> MultipartSegment:
        """Read up to the part `file` and give its header. Raises InvalidRequest where there is none."""
        for event in self._events:
            if isinstance(event, MultipartSegment):
                if event.name == FILE_PART:
                    return event
                self._read_field(event)
        raise InvalidRequest("Missing file part")

    def file_blocks(self) -> Iterator[bytes]:
        """The data of the part that `open_file_part` found, then the fields behind it are read.

        Raises InvalidRequest.
        """
        for event in self._events:
            if event is None:
                break
            if isinstance(event, (bytes, bytearray)):
                yield bytes(event)
        for event in self._events:
            if isinstance(event, MultipartSegment):
                if event.name == FILE_PART:
                    raise InvalidRequest("More than one file part")
                self._read_field(event)

    def _read_field(self, segment: MultipartSegment) -> None:
        data = bytearray()
        for event in self._events:
            if not isinstance(event, (bytes, bytearray)):
                break
            data += event
            if len(data) > MAX_FIELD_BYTES:
                raise InvalidRequest("A form field is too long")
        try:
            self.fields.setdefault(segment.name or "", data.decode())
        except UnicodeDecodeError as error:
            raise InvalidRequest("A form field is not valid UTF-8") from error

    def _parse(self) -> Iterator[MultipartSegment | bytes | bytearray | None]:
        boundary = parse_options_header(request.headers.get("Content-Type"))[1].get("boundary", "")
        try:
            with PushMultipartParser(boundary, max_segment_count=MAX_PARTS) as parser:
                for block in self._body.blocks():
                    yield from parser.parse(block)
        except (MultipartError, ParserError, UnicodeError, ValueError) as error:
            raise InvalidRequest("Malformed multipart body") from error
