"""Handing a file's bytes over to nginx by X-Accel-Redirect (`TRANSFER_ACCEL=nginx`, deploy/nginx).

The service decides about conditions and ranges, and nginx applies the request's `Range` once more to the file that it
opens. So a body is handed over only where nginx cannot come to another result; all else is sent by the service itself.
"""

import re

from flask import current_app, request

from transfer_service.web.files.stored_file import StoredFile
from transfer_service.wire.conditions import Validators, format_http_date
from transfer_service.wire.ranges import Span

WHOLE, RANGE = "/_transfer/whole/", "/_transfer/range/"
_ONE_PLAIN_RANGE = re.compile(r"bytes=(?:[0-9]{1,18}-(?:[0-9]{1,18})?|-[0-9]{1,18})", re.ASCII)


def find_target(file: StoredFile, spans: list[Span] | None, validators: Validators) -> str | None:
    """The internal location that makes nginx send these spans, None where the service has to send them.

    Two conditions are also weighed by nginx, which does not know our tags there.
    """
    if not current_app.config["ACCEL"] or request.method != "GET" or "X-Accel-Retry" in request.headers:
        return None
    if "If-Match" in request.headers or "If-Unmodified-Since" in request.headers:
        return None
    if not file.length or (spans is not None and not _is_read_alike(spans, validators)):
        return None
    path = file.find_location()
    return (WHOLE if spans is None else RANGE) + path if path is not None else None


def _is_read_alike(spans: list[Span], validators: Validators) -> bool:
    """Whether nginx finds the same single span in the request's `Range` and `If-Range`."""
    if len(spans) != 1 or not _ONE_PLAIN_RANGE.fullmatch(request.headers.get("Range", "")):
        return False
    if_range = request.headers.get("If-Range")
    return if_range in (None, str(validators.etag), format_http_date(validators.modified_at))
