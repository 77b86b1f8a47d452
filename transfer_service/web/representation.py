"""Header fields that change what the bytes of a request mean: understood, or the request is refused."""

from flask import Flask, Response, request

from transfer_service.errors import InvalidRequest, UnsupportedContentCoding

_READ_ONLY = frozenset({"GET", "HEAD", "OPTIONS"})
_TAKE_RANGES = frozenset({"device_frames.upload_chunk", "content_range.upload_chunk"})


def check_representation() -> None:
    """Refuse codings, and parts of a whole where only a whole is taken.

    Or coded bytes would be stored under the type of what they decode to, and a part for the whole (RFC 9110 sections
    8.4 and 14.5). Raises UnsupportedContentCoding, InvalidRequest.
    """
    if request.method in _READ_ONLY:
        return
    codings = [coding.strip().lower() for coding in request.headers.get("Content-Encoding", "").split(",")]
    if any(coding not in {"", "identity"} for coding in codings):
        raise UnsupportedContentCoding
    if "Content-Range" in request.headers and request.endpoint not in _TAKE_RANGES:
        raise InvalidRequest("Content-Range is not taken here")


def _name_codings(response: Response) -> Response:
    """Tell that the coding was what was wrong with a 415 (RFC 9110 section 15.5.16)."""
    if response.status_code == 415 and request.headers.get("Content-Encoding"):
        response.headers["Accept-Encoding"] = "identity"
    return response


def init_representation(app: Flask) -> None:
    """Check every request of the app."""
    app.before_request(check_representation)
    app.after_request(_name_codings)
