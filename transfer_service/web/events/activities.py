"""`GET /api/activities`: the audit log, for accounts with the permission `activities.read` (docs/audit.md)."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from transfer_service.errors import InvalidRequest
from transfer_service.services.events.activities import ActivityFilter, ActivityRecord, ActivityService
from transfer_service.web.context import guard, require_permission, services
from transfer_service.web.query import count_of, takes, text_of
from transfer_service.wire.instants import format_instant, parse_end, parse_instant
from transfer_service.wire.spreadsheets import MEDIA_TYPE, format_lines

READ_PERMISSION = "activities.read"
DEFAULT_LIMIT, MAX_LIMIT = 50, 200
JSON, CSV = "application/json", "text/csv"
FIELDS = ("id", "username", "action", "resource", "resourceId", "details", "ipAddress", "createdAt")

blueprint = Blueprint("activities", __name__, url_prefix="/api/activities")
blueprint.before_request(guard)


@blueprint.before_request
def _require_permission() -> None:
    if request.method != "OPTIONS":
        require_permission(READ_PERMISSION)


@blueprint.get("")
@takes("page", "limit", "username", "action", "resource", "from", "to")
def list_activities() -> Response:
    """A page of activities, newest first; all that match as CSV for who asks for that."""
    page = count_of("page", default=1)
    limit = count_of("limit", default=DEFAULT_LIMIT, most=MAX_LIMIT)
    wanted = _filter()
    is_table = request.accept_mimetypes.best_match([JSON, CSV]) == CSV
    response = _table(wanted) if is_table else _page(wanted, page, limit)
    response.vary.add("Accept")
    return response


def _page(wanted: ActivityFilter, page: int, limit: int) -> Response:
    found = services().activities.list_page(page, limit, wanted)
    pagination = {"total": found.total, "page": page, "limit": limit, "totalPages": -(-found.total // limit)}
    return jsonify({"data": [_activity_json(row) for row in found.rows], "pagination": pagination})


def _table(wanted: ActivityFilter) -> Response:
    response = Response(_lines(services().activities, wanted), content_type=MEDIA_TYPE)
    response.headers["Content-Disposition"] = 'attachment; filename="activities.csv"'
    return response


def _lines(activities: ActivityService, wanted: ActivityFilter) -> Iterator[bytes]:
    yield format_lines([FIELDS])
    for rows in activities.read_all(wanted):
        yield format_lines(map(_cells, rows))


def _cells(activity: ActivityRecord) -> list[str | int | None]:
    values = _activity_json(activity)
    values["details"] = json.dumps(activity.details, ensure_ascii=False, separators=(",", ":"))
    return [values[name] for name in FIELDS]


def _filter() -> ActivityFilter:
    """What is asked for. Raises InvalidRequest."""
    return ActivityFilter(
        username=_text("username"),
        action=_text("action"),
        resource=_text("resource"),
        since=_instant("from", parse_instant),
        until=_instant("to", parse_end),
    )


def _text(name: str) -> str | None:
    return text_of(name) if name in request.args else None


def _instant(name: str, parse: Callable[[str], datetime]) -> datetime | None:
    value = request.args.get(name)
    try:
        return None if value is None else parse(value)
    except ValueError as error:
        raise InvalidRequest(f"{name} must be an instant in ISO 8601, such as 2026-01-31T12:00:00Z") from error


def _activity_json(activity: ActivityRecord) -> dict[str, Any]:
    return {
        "id": activity.activity_id,
        "username": activity.username,
        "action": activity.action,
        "resource": activity.resource,
        "resourceId": activity.resource_id,
        "details": activity.details,
        "ipAddress": activity.ip_address,
        "createdAt": format_instant(activity.created_at),
    }
