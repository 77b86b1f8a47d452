"""`/auth/sessions`: where one is signed in (docs/accounts.md)."""

import uuid
from datetime import datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify

from transfer_service.errors import NotFound
from transfer_service.services.accounts.sessions import SessionRecord
from transfer_service.services.files.files import parse_file_id
from transfer_service.web.context import current, guard, services
from transfer_service.web.query import MAX_PAGE, PAGING, Key, read_page, takes
from transfer_service.wire.instants import format_second

blueprint = Blueprint("sessions", __name__, url_prefix="/auth/sessions")
blueprint.before_request(guard)


@blueprint.get("")
@takes(*PAGING)
def list_sessions() -> Response:
    """The account's sign-ins that still count, the newest first; without `limit` the first thousand."""
    page = read_page(_place_of, datetime, uuid.UUID, default=MAX_PAGE)
    found = services().sessions.list_own(current().account_id, limit=page.wanted, after=page.after)
    shown, next_cursor = page.cut(found)
    return jsonify({"sessions": [_session_json(each) for each in shown], "next_cursor": next_cursor})


@blueprint.delete("/<session_id>")
def end_session(session_id: str) -> tuple[str, int]:
    """End a sign-in at once, with all its tokens and sockets; one's own too."""
    parsed = parse_file_id(session_id)
    if parsed is None:
        raise NotFound("Session not found")
    services().sessions.end(current().account_id, parsed)
    return "", HTTPStatus.NO_CONTENT


def _place_of(session: SessionRecord) -> Key:
    return session.created_at, session.id


def _session_json(session: SessionRecord) -> dict[str, Any]:
    return {
        "id": str(session.id),
        "created_at": format_second(session.created_at),
        "renewed_at": format_second(session.renewed_at),
        "ip_address": session.ip_address,
        "user_agent": session.user_agent,
        "current": session.id == current().sign_in_id,
    }
