"""The body of an error: its shape depends on the path, and where uploads are, on the protocol too."""

import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

PROBLEM = "application/problem+json"
_MOBILE_DOWNLOAD = re.compile(r"/api/files/[^/]+/download/?")
_UPLOADS = re.compile(r"/(api|s/[^/]+)/uploads(/|$)")
_REMOTE = re.compile(r"/api/(downloads|activities)(/|$)")


def is_uploads_path(path: str) -> bool:
    """Whether a path is one of resumable uploads."""
    return _UPLOADS.match(path) is not None


def format_error(
    path: str, status: int, detail: str, *, is_tus: bool, members: Mapping[str, Any] | None = None
) -> tuple[str, bytes]:
    """The media type and the body. `is_tus`: the request speaks tus; `members`: what else a problem document says.

    At resumable uploads that is a plain reason for tus, and a problem document (RFC 9457) for anybody else.
    """
    if not is_uploads_path(path):
        return "application/json", _encode(envelope_of(path)(detail, status))
    if is_tus:
        return "text/plain; charset=utf-8", f"{detail}\n".encode()
    title = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, **(members or {})}
    return PROBLEM, _encode(problem)


def envelope_of(path: str) -> Callable[[str, int], dict[str, Any]]:
    """The shape of an error outside of resumable uploads, from its detail and its status."""
    if _MOBILE_DOWNLOAD.fullmatch(path) and not path.startswith("/api/files/download/"):
        return _mobile
    return _remote if _REMOTE.match(path) else _plain


def _plain(detail: str, _status: int) -> dict[str, Any]:
    return {"detail": detail}


def _mobile(detail: str, status: int) -> dict[str, Any]:
    return {"error": {"message": detail, "statusCode": status}}


def _remote(detail: str, status: int) -> dict[str, Any]:
    return _mobile(detail, status) if status in {401, 403} else {"success": False, "error": detail}


def _encode(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members).encode()
