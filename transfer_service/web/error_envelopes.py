"""Every error as JSON: one table of statuses, one rule for the shape of the body."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, json, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from transfer_service import errors
from transfer_service.web.request_log import log_failure

STATUSES: dict[type[errors.TransferError], int] = {
    errors.InvalidRequest: 400,
    errors.NotAuthenticated: 401,
    errors.BadCredentials: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.BodyTimeout: 408,
    errors.RangeConflict: 409,
    errors.NameTaken: 409,
    errors.UploadGone: 409,
    errors.OffsetMismatch: 409,
    errors.UploadEnded: 410,
    errors.UnsupportedVersion: 412,
    errors.DownloadInProgress: 409,
    errors.AlreadyDownloaded: 409,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.MemberUnreadable: 422,
    errors.TooManyAttempts: 429,
    errors.ReadFailed: 500,
    errors.RangeBusy: 503,
    errors.StoreUnavailable: 503,
    errors.TooManyDownloads: 503,
    errors.StorageFull: 507,
}

_MOBILE_DOWNLOAD = re.compile(r"/api/files/[^/]+/download/?")
_UPLOADS = re.compile(r"/api/uploads(/|$)")
_REMOTE = re.compile(r"/api/(downloads|activities)(/|$)")


def _plain(detail: str, _status: int) -> dict[str, Any]:
    return {"detail": detail}


def _mobile(detail: str, status: int) -> dict[str, Any]:
    return {"error": {"message": detail, "statusCode": status}}


def _remote(detail: str, status: int) -> dict[str, Any]:
    return _mobile(detail, status) if status in {401, 403} else {"success": False, "error": detail}


def envelope_of(path: str) -> Callable[[str, int], dict[str, Any]]:
    """The shape of an error's body under a path."""
    if _MOBILE_DOWNLOAD.fullmatch(path) and not path.startswith("/api/files/download/"):
        return _mobile
    return _remote if _REMOTE.match(path) else _plain


def status_of(error: errors.TransferError) -> int:
    """The HTTP status of an error: that of its nearest listed class."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)


def is_uploads_path(path: str) -> bool:
    """Whether a path is one of resumable uploads."""
    return _UPLOADS.match(path) is not None


def speaks_tus() -> bool:
    """Whether the current request at such a path is one of tus; any other is one of the draft."""
    return "Tus-Resumable" in request.headers


def uploads_response(detail: str, status: int, members: Mapping[str, Any]) -> Response:
    """An error under `/api/uploads`: a plain reason for tus, a problem document (RFC 9457) for anybody else."""
    response = Response(status=status)
    if speaks_tus():
        response.data, response.content_type = f"{detail}\n", "text/plain; charset=utf-8"
    else:
        title = HTTPStatus(status).phrase
        problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
        response.data, response.content_type = json.dumps(problem), "application/problem+json"
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def error_response(detail: str, status: int) -> Response:
    """An error in the envelope of the path that was asked for."""
    if is_uploads_path(request.path):
        return uploads_response(detail, status, {})
    response = jsonify(envelope_of(request.path)(detail, status))
    response.status_code = status
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _expected(error: errors.TransferError) -> Response:
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log_failure(error)
    response = error_response(error.detail, status)
    retry_after = getattr(error, "retry_after_seconds", None)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _http(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    response = error_response(HTTPStatus(status).phrase.capitalize(), status)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _unexpected(error: Exception) -> Response:
    log_failure(error)
    if current_app.testing:
        raise error
    return error_response("Internal server error", HTTPStatus.INTERNAL_SERVER_ERROR)


def init_error_envelopes(app: Flask) -> None:
    """Answer every error of the app in JSON."""
    app.register_error_handler(errors.TransferError, _expected)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)
