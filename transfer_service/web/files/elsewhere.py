"""Bytes that somebody else sends: nginx from its disk, nginx from an object store, or the store itself.

With `TRANSFER_ACCEL=nginx` a body is handed over by X-Accel-Redirect (deploy/nginx). To files on its disk nginx applies
the request's `Range` once more, so they are handed over only where it cannot come to another result. Of an object store
it is told the range, and nothing else of the request gets there. With `TRANSFER_S3_REDIRECT` the client is sent to the
store, which it may know the bytes by from then on: so the store's validators count too.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Response, current_app, g, request

from transfer_service.storage.bodies import RemoteBytes
from transfer_service.web.files import metering
from transfer_service.web.request_log import note
from transfer_service.web.sharing.signed import is_signed
from transfer_service.wire.conditions import EntityTag, Validators, format_http_date, parse_tag
from transfer_service.wire.ranges import Span

if TYPE_CHECKING:
    from transfer_service.web.files.file_response import StoredFile

WHOLE, RANGE, STORE = "/_transfer/whole/", "/_transfer/range/", "/_transfer/store"
SMALL_BYTES = 256 * 1024
"""What is not larger is read from a store by one request, and one would be spent on looking whether nginx can."""
_ONE_PLAIN_RANGE = re.compile(r"bytes=(?:[0-9]{1,18}-(?:[0-9]{1,18})?|-[0-9]{1,18})", re.ASCII)
_CONDITIONS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range")
_NOT_PASSED_ON = ("If-Match", "If-Unmodified-Since", "If-Range")


@dataclass(frozen=True, slots=True)
class Target:
    """The internal location by which nginx sends a body, and what it asks the store for, where that is a part."""

    location: str
    range: str | None = None


def find_remote(file: "StoredFile") -> RemoteBytes | None:
    """How the store can give these bytes, if that may matter. Raises StoreUnavailable."""
    is_conditional = any(name in request.headers for name in _CONDITIONS)
    may_redirect = current_app.config["REDIRECT"] and (is_conditional or _is_redirectable())
    may_hand_over = current_app.config["ACCEL"] and _is_first_get() and file.length > SMALL_BYTES
    return file.find_remote() if file.length and (may_redirect or may_hand_over) else None


def validators_of(remote: RemoteBytes) -> Validators | None:
    """What the client may know the bytes by, if it was sent to the store before."""
    tag = parse_tag(remote.etag) or EntityTag("", weak=True)
    return Validators(tag, remote.modified_at) if current_app.config["REDIRECT"] else None


def may_redirect(file: "StoredFile", spans: Sequence[Span] | None) -> bool:
    """Whether the client may be sent to the store, and gets there what it would get here. Never from a link's page."""
    if file.meter is not None or not current_app.config["REDIRECT"] or not _is_redirectable():
        return False
    if any(name in request.headers for name in _NOT_PASSED_ON):  # the store knows its own validators only
        return False
    value = request.headers.get("Range")
    if value is None:
        return True
    if spans is None or not _ONE_PLAIN_RANGE.fullmatch(value):
        return False
    return not value.startswith("bytes=-") or int(value.removeprefix("bytes=-")) <= file.length


def redirect(file: "StoredFile", remote: RemoteBytes, disposition: str) -> Response:
    """Send the client to the store. Raises StoreUnavailable."""
    headers = {"Content-Type": file.media_type, "Content-Disposition": disposition}
    url = remote.sign({**headers, "Cache-Control": file.cache_control})
    note(redirected=True)
    return Response(status=307, headers={"Location": url, "Cache-Control": "no-store"})


def find_target(
    file: "StoredFile", spans: Sequence[Span] | None, validators: Validators, remote: RemoteBytes | None
) -> Target | None:
    """How nginx can send these spans, None where the service has to send them. Raises StoreUnavailable."""
    if not current_app.config["ACCEL"] or not _is_first_get() or not file.length:
        return None
    if remote is not None:
        return _at_store(spans, remote) if file.length > SMALL_BYTES and (spans is None or len(spans) == 1) else None
    # Two conditions are also weighed by nginx, which does not know our tags there.
    if "If-Match" in request.headers or "If-Unmodified-Since" in request.headers:
        return None
    if spans is not None and not _is_read_alike(spans, validators):
        return None
    path = file.find_location() if metering.may_be_sent_elsewhere(file.meter) else None
    return Target((WHOLE if spans is None else RANGE) + path) if path is not None else None


def hand_over(file: "StoredFile", target: Target) -> Response:
    """An answer whose body, length and status nginx fills in."""
    note(handed_over=True)
    response = Response(status=200, content_type=file.media_type, headers={"X-Accel-Redirect": target.location})
    if target.range is not None:
        response.headers["X-Transfer-Range"] = target.range
    return response


def _at_store(spans: Sequence[Span] | None, remote: RemoteBytes) -> Target:
    address = urlsplit(remote.sign({}))
    location = f"{STORE}{address.path}?{address.query}"
    return Target(location, f"bytes={spans[0].start}-{spans[0].stop - 1}" if spans else None)


def _is_first_get() -> bool:
    """Whether nginx may send the body: of a HEAD there is none, and where it has tried in vain it asks again."""
    return request.method == "GET" and "X-Accel-Retry" not in request.headers


def _is_redirectable() -> bool:
    """A cookie is for pages, whose policy allows no other origin; and the address is good for GET only."""
    if request.method != "GET":
        return False
    if is_signed():
        return not request.cookies
    identity, claims = g.get("identity"), g.get("claims")
    is_key = identity is not None and identity.key is not None
    return is_key or (claims is not None and not claims.is_cookie)


def _is_read_alike(spans: Sequence[Span], validators: Validators) -> bool:
    """Whether nginx finds the same single span in the request's `Range` and `If-Range`."""
    if len(spans) != 1 or not _ONE_PLAIN_RANGE.fullmatch(request.headers.get("Range", "")):
        return False
    if_range = request.headers.get("If-Range")
    return if_range in (None, str(validators.etag), format_http_date(validators.modified_at))
