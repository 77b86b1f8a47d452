"""Header fields that change what the bytes of a request mean: understood, or the request is refused."""

from typing import TYPE_CHECKING

from flask import Flask, Response, request

from transfer_service.errors import InvalidRequest, UnsupportedContentCoding
from transfer_service.wire.error_bodies import format_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_READ_ONLY = frozenset({"GET", "HEAD", "OPTIONS"})
_TAKE_RANGES = frozenset({"device_frames.upload_chunk", "content_range.upload_chunk"})
_SOCKETS = "/socket.io/"


def check_representation() -> None:
    """Refuse codings, and parts of a whole where only a whole is taken.

    Or coded bytes would be stored under the type of what they decode to, and a part for the whole (RFC 9110 sections
    8.4 and 14.5). Raises UnsupportedContentCoding, InvalidRequest.
    """
    if request.method in _READ_ONLY:
        return
    if _is_coded(request.headers.get("Content-Encoding", "")):
        raise UnsupportedContentCoding
    if "Content-Range" in request.headers and request.endpoint not in _TAKE_RANGES:
        raise InvalidRequest("Content-Range is not taken here")


def _is_coded(content_encoding: str) -> bool:
    return any(coding.strip().lower() not in {"", "identity"} for coding in content_encoding.split(","))


def _name_codings(response: Response) -> Response:
    """Tell that the coding was what was wrong with a 415 (RFC 9110 section 15.5.16)."""
    if response.status_code == 415 and request.headers.get("Content-Encoding"):
        response.headers["Accept-Encoding"] = "identity"
    return response


def refuse_coded_polls(application: "WSGIApplication") -> "WSGIApplication":
    """The same for what Socket.IO receives by HTTP, which no view sees."""

    def refusing(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        path, coding = environ.get("PATH_INFO", ""), environ.get("HTTP_CONTENT_ENCODING", "")
        if not path.startswith(_SOCKETS) or environ["REQUEST_METHOD"] in _READ_ONLY or not _is_coded(coding):
            return application(environ, start_response)
        media_type, body = format_error(path, 415, UnsupportedContentCoding.detail, is_tus=False)
        length = str(len(body))
        headers = [("Content-Type", media_type), ("Content-Length", length), ("Accept-Encoding", "identity")]
        start_response("415 Unsupported Media Type", headers)
        return [body]

    return refusing


def init_representation(app: Flask) -> None:
    """Check every request of the app."""
    app.before_request(check_representation)
    app.after_request(_name_codings)
