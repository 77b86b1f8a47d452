"""Errors at resumable uploads: in the words of the protocol that the request speaks."""

from contextlib import suppress
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request

from transfer_service import errors
from transfer_service.services.files.files import parse_file_id
from transfer_service.web.context import services
from transfer_service.web.error_envelopes import as_answered, error_response, set_retry_after, speaks_tus, status_of
from transfer_service.web.request_body import is_chunked
from transfer_service.web.uploads.rufh import limits_of
from transfer_service.web.uploads.senders import sender
from transfer_service.wire import rufh, tus
from transfer_service.wire.rate_limits import QUOTA_EXCEEDED

_TUS_STATUSES: dict[type[errors.TransferError], int] = {
    errors.ChecksumMismatch: 460,
    errors.RangeBusy: 423,
    errors.Superseded: 423,
    errors.UploadFinished: 413,
}
_COMPLETENESS_UNSAID = (errors.UploadFinished, errors.NotFound, errors.UploadEnded)


def init_resumable_errors(blueprint: Blueprint) -> None:
    """Answer every expected error of the blueprint's requests."""
    blueprint.register_error_handler(errors.TransferError, _expected)


def _expected(error: errors.TransferError) -> Response:
    error, is_tus = as_answered(error), speaks_tus()
    if is_tus and request.method == "HEAD" and isinstance(error, errors.UploadEnded):
        error = errors.NotFound("Upload not found")  # clients in use begin anew on 404 only
    response = error_response(error.detail, _status(error, is_tus=is_tus), _members(error))
    set_retry_after(response, error)
    if isinstance(error, errors.OffsetMismatch):
        response.headers["Upload-Offset"] = str(error.offset)
    if isinstance(error, errors.UnsupportedVersion):
        response.headers["Tus-Version"] = tus.VERSION
    if isinstance(error, errors.UnsupportedMediaType):
        response.headers["Accept-Patch"] = tus.MEDIA_TYPE if is_tus else rufh.MEDIA_TYPE
    if not is_tus:
        response.headers.update(_draft_headers(error))
    return response


def _status(error: errors.TransferError, *, is_tus: bool) -> int:
    if isinstance(error, errors.UploadGone):
        return HTTPStatus.GONE
    special = _TUS_STATUSES.get(type(error)) if is_tus else None
    return status_of(error) if special is None else special


def _draft_headers(error: errors.TransferError) -> dict[str, str]:
    """What the draft wants to be said with a refusal: that the upload stays unfinished, and its limits with a 413."""
    version = _version()
    headers: dict[str, str] = {}
    if request.method in {"POST", "PATCH"} and not isinstance(error, _COMPLETENESS_UNSAID):
        headers |= rufh.completeness_header(version, is_complete=False)
    if isinstance(error, errors.TooLarge):
        headers["Upload-Limit"] = _limits(version) or ""
    return headers


def _version() -> rufh.Version:
    try:
        return rufh.parse_version(request.headers)
    except errors.InvalidRequest:
        return rufh.Version.V8


def _limits(version: rufh.Version) -> str | None:
    """All limits of the upload in question, or those of new ones; in the words of 8 where a version has none."""
    told_in = version if version.lifetime_key else rufh.Version.V8
    upload_id = parse_file_id((request.view_args or {}).get("upload_id", ""))
    if upload_id is not None:
        with suppress(errors.TransferError):
            known = sender().check(upload_id)
            return limits_of(told_in, services().resumable_uploads.get(sender().account_id, known))
    return rufh.limit_header(told_in, max_bytes=services().space.max_file_bytes, max_age_seconds=None)


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
