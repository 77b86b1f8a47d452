"""`TRANSFER_RATE_LIMITS` at every door: counted before any body is read, for who has no token too.

Never counted are appends to an upload that was begun, whatever the door: they go on, or the bytes before them were
sent in vain; the calls that ask about the service itself; and a browser's preflights.
"""

import uuid
from contextlib import suppress

from flask import Flask, Response, current_app, g, request

from transfer_service.errors import BadCredentials, InvalidName, NotAuthenticated, NotFound, TooManyRequests
from transfer_service.services.files import FileStatus, parse_file_id
from transfer_service.web.auth import GAME_COOKIE
from transfer_service.web.current_account import identify, require_account
from transfer_service.web.services import EXTENSION, Services, services
from transfer_service.wire.filenames import parse_name
from transfer_service.wire.rate_limits import format_allowances, format_policies, retry_after_seconds

_FREE_BLUEPRINTS = frozenset({"health"})


def _count() -> None:
    """For `before_request`. Raises TooManyRequests."""
    if _is_free():
        return
    account_id = _find_account()
    if account_id is not None and _continues_upload(account_id):
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
    """Whose request it is, None for nobody's: what is wrong with its token is said by the door."""
    with suppress(NotAuthenticated, BadCredentials):
        return require_account().account_id
    token = request.cookies.get(GAME_COOKIE) if request.blueprint == "game_zip" else None
    with suppress(BadCredentials):
        return identify(token)[0].account_id if token else None
    return None


def _continues_upload(account_id: uuid.UUID) -> bool:
    """Whether the request brings more bytes of an upload that was begun, and is not finished."""
    arguments = request.view_args or {}
    if request.endpoint == "resumable.append":
        identifier = parse_file_id(arguments["upload_id"])
        with suppress(NotFound):
            return identifier is not None and bool(services().unfinished_uploads.get(account_id, identifier))
        return False
    found: FileStatus | None = None
    with suppress(InvalidName):
        if request.endpoint == "device_frames.upload_chunk":
            found = services().files.find(account_id, parse_name(request.args.get("filename", "")))
        elif request.endpoint == "content_range.upload_chunk":
            found = services().files.find_by_name_or_id(account_id, parse_name(arguments["file_id"]))
    return found is not None and not found.is_complete


def _tell(response: Response) -> Response:
    allowances = g.get("allowances")
    if allowances:
        response.headers["RateLimit-Policy"] = format_policies(allowances)
        response.headers["RateLimit"] = format_allowances(allowances)
    return response


def init_rate_limits(app: Flask) -> None:
    """Count every request of the app, where limits are set."""
    bound: Services = app.extensions[EXTENSION]
    if bound.request_limits.are_set:
        app.before_request(_count)
        app.after_request(_tell)
