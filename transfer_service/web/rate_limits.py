"""`TRANSFER_RATE_LIMITS` at every door: counted before any body is read, for who has no token too.

Never counted are appends to an upload that was begun, by any door (or the bytes before them would have been sent in
vain), the calls that ask about the service itself, and a browser's preflights.
"""

import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from flask import Flask, Response, current_app, g, request

from transfer_service.errors import BadCredentials, InvalidName, NotAuthenticated, NotFound, TooManyRequests
from transfer_service.services.files.files import parse_file_id
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.request_limits import RequestLimits
from transfer_service.web.accounts.auth import GAME_COOKIE
from transfer_service.web.context import identify, recognize, services, services_of
from transfer_service.web.sharing.signed import is_signed
from transfer_service.wire.error_bodies import format_error
from transfer_service.wire.filenames import parse_name
from transfer_service.wire.rate_limits import Allowance, format_allowances, format_policies, retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SOCKETS = "/socket.io"
_FREE_BLUEPRINTS = frozenset({"health"})
_OF_LINKS = frozenset({"shared_links", "link_uploads"})


def _count() -> None:
    """For `before_request`. Raises TooManyRequests."""
    if _is_free():
        return
    account_id = _find_account()
    if _continues_guests_upload() if account_id is None else _continues_upload(account_id):
        return
    allowances = services().request_limits.count(account_id=account_id, address=request.remote_addr or "")
    g.allowances = allowances
    exceeded = [each.policy for each in allowances if each.is_exceeded]
    if exceeded:
        raise TooManyRequests(retry_after_seconds=retry_after_seconds(allowances), policies=exceeded)


def _is_free() -> bool:
    is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    # nginx asks again for what it could not open; clients cannot send that field through it.
    is_retry = current_app.config["ACCEL"] and bool(request.headers.get("X-Accel-Retry"))
    return is_preflight or is_retry or request.blueprint in _FREE_BLUEPRINTS


def _find_account() -> uuid.UUID | None:
    """Whose request it is, None for nobody's: what is wrong with its token is said by the door.

    Signed addresses and links are nobody's: whoever was given one must not use up what its account may ask for.
    """
    if is_signed() or request.blueprint in _OF_LINKS:
        return None
    with suppress(NotAuthenticated, BadCredentials):
        return recognize().account_id
    with suppress(NotAuthenticated, BadCredentials):
        return identify(None, refresh=True)[0].account_id
    token = request.cookies.get(GAME_COOKIE) if request.blueprint == "game_zip" else None
    with suppress(BadCredentials):
        return identify(token)[0].account_id if token else None
    return None


def _continues_guests_upload() -> bool:
    """The same as for an account, by an upload link."""
    if request.endpoint != "link_uploads.append":
        return False
    identifier = parse_file_id((request.view_args or {})["upload_id"])
    with suppress(NotFound):
        link = services().sharing.links.find(g.link_token)
        if identifier is not None and services().resumable_uploads.origin_of(identifier) == link.id:
            return bool(services().unfinished_uploads.get(link.account_id, identifier))
    return False


def _continues_upload(account_id: uuid.UUID) -> bool:
    """Whether the request brings more bytes of an upload that was begun, and is not finished."""
    arguments = request.view_args or {}
    if request.endpoint == "resumable.append":
        identifier = parse_file_id(arguments["upload_id"])
        with suppress(NotFound):
            return identifier is not None and bool(services().unfinished_uploads.get(account_id, identifier))
        return False
    found: FileRecord | None = None
    with suppress(InvalidName):
        if request.endpoint == "device_frames.upload_chunk":
            found = services().files.find(account_id, parse_name(request.args.get("filename", "")))
        elif request.endpoint == "content_range.upload_chunk":
            found = services().files.find_by_name_or_id(account_id, parse_name(arguments["file_id"]))
    return found is not None and not found.is_complete


def _tell(response: Response) -> Response:
    allowances = g.get("allowances")
    return _with_allowances(response, allowances) if allowances else response


def _with_allowances(response: Response, allowances: Sequence[Allowance]) -> Response:
    response.headers["RateLimit-Policy"] = format_policies(allowances)
    response.headers["RateLimit"] = format_allowances(allowances)
    return response


def limit_handshakes(application: "WSGIApplication", limits: RequestLimits) -> "WSGIApplication":
    """Count the requests that begin a connection of Socket.IO, by address: no account is known before later packets.

    What follows within a connection is not counted; it has bounds of its own.
    """
    if not limits.are_set:
        return application

    def limiting(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        if not environ.get("PATH_INFO", "").startswith(SOCKETS) or "sid=" in environ.get("QUERY_STRING", ""):
            return application(environ, start_response)
        allowances = limits.count(account_id=None, address=environ.get("REMOTE_ADDR") or "")
        if not any(each.is_exceeded for each in allowances):
            return application(environ, start_response)
        media_type, body = format_error(SOCKETS, 429, TooManyRequests.detail, is_tus=False)
        refusal = Response(body, status=429, content_type=media_type)
        refusal.headers["Retry-After"] = str(retry_after_seconds(allowances))
        return _with_allowances(refusal, allowances)(environ, start_response)

    return limiting


def init_rate_limits(app: Flask) -> None:
    """Count every request of the app, where limits are set."""
    if services_of(app).request_limits.are_set:
        app.before_request(_count)
        app.after_request(_tell)
