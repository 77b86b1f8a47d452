"""`GET /api/activities`: what was done with remote downloads, for accounts with the permission `activities.read`."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from transfer_service.errors import InvalidRequest
from transfer_service.services.activities import ActivityFacts
from transfer_service.web.current_account import guard, require_permission
from transfer_service.web.requests import parse_count
from transfer_service.web.services import services
from transfer_service.wire.instants import format_instant

READ_PERMISSION = "activities.read"
DEFAULT_LIMIT, MAX_LIMIT = 50, 200

blueprint = Blueprint("activities", __name__, url_prefix="/api/activities")
blueprint.before_request(guard)


@blueprint.get("")
def list_activities() -> Response:
    """A page of activities, newest first."""
    require_permission(READ_PERMISSION)
    page = _positive("page", default=1)
    limit = _positive("limit", default=DEFAULT_LIMIT)
    if limit > MAX_LIMIT:
        raise InvalidRequest("Invalid limit")
    found = services().activities.list_page(page, limit)
    pagination = {"total": found.total, "page": page, "limit": limit, "totalPages": -(-found.total // limit)}
    return jsonify({"data": [_activity_json(row) for row in found.rows], "pagination": pagination})


def _positive(name: str, *, default: int) -> int:
    """A number of the query that counts from 1. Raises InvalidRequest."""
    number = parse_count(request.args.get(name), name)
    if number == 0:
        raise InvalidRequest(f"Invalid {name}")
    return number or default


def _activity_json(activity: ActivityFacts) -> dict[str, Any]:
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
