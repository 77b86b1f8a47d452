"""Every error as JSON: one table of statuses, one rule for the shape of the body."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from transfer_service import errors
from transfer_service.faults import fault_of
from transfer_service.web.metrics import count_refusal
from transfer_service.web.request_log import log_request_error
from transfer_service.web.sharing.error_pages import error_page, is_page_wanted
from transfer_service.web.sharing.signed import is_signed
from transfer_service.wire import rufh, tus
from transfer_service.wire.error_bodies import format_error

STATUSES: dict[type[errors.TransferError], int] = {
    errors.InvalidRequest: 400,
    errors.NotAuthenticated: 401,
    errors.BadCredentials: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.BodyTimeout: 408,
    errors.RangeConflict: 409,
    errors.NameTaken: 409,
    errors.FolderNotEmpty: 409,
    errors.FileUnfinished: 409,
    errors.LastAdmin: 409,
    errors.WebhookEnded: 409,
    errors.UploadGone: 409,
    errors.OffsetMismatch: 409,
    errors.UploadEnded: 410,
    errors.UnsupportedVersion: 412,
    errors.DownloadInProgress: 409,
    errors.AlreadyDownloaded: 409,
    errors.KeyInUse: 409,
    errors.KeyReused: 422,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.UnsupportedContentCoding: 415,
    errors.MemberUnreadable: 422,
    errors.TooManyAttempts: 429,
    errors.TooManyRequests: 429,
    errors.TooManyUnderWay: 429,
    errors.ReadFailed: 500,
    errors.RangeBusy: 503,
    errors.StoreUnavailable: 503,
    errors.TooManyDownloads: 503,
    errors.PreviewPending: 503,
    errors.ProviderAway: 503,
    errors.ChecksumsPending: 503,
    errors.StorageFull: 507,
}

SENDING_BLUEPRINTS = frozenset({"files", "attachments", "thumbnails", "bundles", "game_zip", "shared_links"})
"""Of the doors that send stored bytes: only there bytes that cannot be read are `Error reading file`."""
RETRY_AFTER_SECONDS = {429: 60, 503: 5}
"""Where an error does not say it itself."""


def status_of(error: errors.TransferError) -> int:
    """The HTTP status of an error: that of its nearest listed class."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)


def speaks_tus() -> bool:
    """Whether the current request at such a path is one of tus; any other is one of the draft."""
    headers = request.headers
    return "Tus-Resumable" in headers or (not rufh.is_protocol(headers) and tus.is_meant(headers))


def error_response(detail: str, status: int, members: Mapping[str, Any] | None = None) -> Response:
    """An error in the envelope of the path that was asked for; `members` are what else a problem document says.

    For people at the address of a link it is a page.
    """
    if is_page_wanted():
        return error_page(detail, status)
    media_type, body = format_error(request.path, status, detail, is_tus=speaks_tus(), members=members)
    response = Response(body, status=status, content_type=media_type)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def as_answered(error: errors.TransferError) -> errors.TransferError:
    """The error that a client is told of, and the log where it is a fault of the machine."""
    count_refusal(error)
    is_refusal = isinstance(error, (errors.Forbidden, errors.NotFound)) and not isinstance(error, errors.NoPreview)
    if is_refusal and is_signed():
        return errors.AddressInvalid()  # whoever has the address is not told what has become of the rest
    is_ours = isinstance(error, (errors.ReadFailed, errors.StoreUnavailable))
    if is_ours and not isinstance(error, errors.ReadOnly):
        log_request_error(error)
    if isinstance(error, errors.ReadFailed) and request.blueprint not in SENDING_BLUEPRINTS:
        return errors.StoreUnavailable()
    return error


def set_retry_after(response: Response, error: Exception) -> None:
    """Say when to try again, where an error says it or its status wants it said."""
    seconds = getattr(error, "retry_after_seconds", None) or RETRY_AFTER_SECONDS.get(response.status_code)
    if seconds is not None:
        response.headers["Retry-After"] = str(seconds)


def _expected(error: errors.TransferError) -> Response:
    error = as_answered(error)
    response = error_response(error.detail, status_of(error))
    set_retry_after(response, error)
    return response


def _http(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    response = error_response(HTTPStatus(status).phrase.capitalize(), status)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    set_retry_after(response, error)
    return response


def _unexpected(error: Exception) -> Response:
    log_request_error(error)
    fault = fault_of(error)
    if fault is not None:
        count_refusal(fault)
        response = error_response(fault.detail, status_of(fault))
        set_retry_after(response, fault)
        return response
    if current_app.testing:
        raise error
    return error_response("Internal server error", HTTPStatus.INTERNAL_SERVER_ERROR)


def init_error_envelopes(app: Flask) -> None:
    """Answer every error of the app in JSON."""
    app.register_error_handler(errors.TransferError, _expected)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)
