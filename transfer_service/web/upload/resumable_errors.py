"""Errors at `/api/uploads`: in the words of the protocol that the request speaks."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request

from transfer_service import errors
from transfer_service.web.error_envelopes import as_answered, error_response, set_retry_after, speaks_tus, status_of
from transfer_service.web.request_body import is_chunked
from transfer_service.web.services import services
from transfer_service.wire import rufh, tus
from transfer_service.wire.rate_limits import QUOTA_EXCEEDED

_TUS_STATUSES: dict[type[errors.TransferError], int] = {
    errors.ChecksumMismatch: 460,
    errors.RangeBusy: 423,
    errors.UploadFinished: 413,
}
_DRAFT_STATUSES: dict[type[errors.TransferError], int] = {errors.RangeBusy: 409}


def init_resumable_errors(blueprint: Blueprint) -> None:
    """Answer every expected error of the blueprint's requests."""
    blueprint.register_error_handler(errors.TransferError, _expected)


def _expected(error: errors.TransferError) -> Response:
    error, is_tus = as_answered(error), speaks_tus()
    special = (_TUS_STATUSES if is_tus else _DRAFT_STATUSES).get(type(error))
    status = status_of(error) if special is None else special
    if isinstance(error, errors.UploadGone):
        status = HTTPStatus.GONE
    response = error_response(error.detail, status, _members(error))
    set_retry_after(response, error)
    if isinstance(error, errors.OffsetMismatch):
        response.headers["Upload-Offset"] = str(error.offset)
    if isinstance(error, errors.TooLarge) and not is_tus:
        limits = rufh.limit_header(rufh.Version.V8, max_bytes=services().space.max_file_bytes, max_age_seconds=None)
        response.headers["Upload-Limit"] = limits or ""
    if isinstance(error, errors.UnsupportedVersion):
        response.headers["Tus-Version"] = tus.VERSION
    if isinstance(error, errors.UnsupportedMediaType):
        response.headers["Accept-Patch"] = tus.MEDIA_TYPE if is_tus else rufh.MEDIA_TYPE
    return response


def _members(error: errors.TransferError) -> dict[str, Any]:
    """What the draft's problem types say of an error."""
    match error:
        case errors.OffsetMismatch(offset=expected, provided=provided):
            return rufh.problem_mismatching_offset(expected=expected, provided=provided)
        case errors.UploadFinished():
            is_empty = not request.content_length and not is_chunked()
            return rufh.problem_completed() if is_empty else rufh.problem_inconsistent_length()
        case errors.TooManyRequests(policies=policies):
            return {"type": QUOTA_EXCEEDED, "violated-policies": policies}
        case errors.InconsistentLength():
            return rufh.problem_inconsistent_length()
    return {}
