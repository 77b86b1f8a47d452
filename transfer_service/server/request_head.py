"""The head of a request, and how much of it a connection may hold before anybody knows who is there."""

from typing import Any

from gunicorn.http import parser
from gunicorn.http.message import Request

HEAD_BYTES = 64 * 1024


class BoundedRequest(Request):  # type: ignore[misc] # gunicorn has no types
    """A request whose head, or trailer section, is 431 once it is longer than HEAD_BYTES.

    gunicorn's own bound is the number of fields times the longest one: 800 KiB, kept as long as the connection is.
    """

    @property
    def max_buffer_headers(self) -> int:
        """The bound that gunicorn's parser asks for."""
        return HEAD_BYTES

    @max_buffer_headers.setter
    def max_buffer_headers(self, _computed: Any) -> None:
        """Never mind gunicorn's own."""


def bound_heads() -> None:
    """Let every connection of this process parse requests so."""
    parser.RequestParser.mesg_class = BoundedRequest
