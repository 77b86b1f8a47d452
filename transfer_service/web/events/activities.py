"""`GET /api/activities`: the audit log, for accounts with the permission `activities.read`."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from transfer_service.services.events.activities import ActivityRecord
from transfer_service.web.context import guard, require_permission, services
from transfer_service.web.query import count_of, takes
from transfer_service.wire.instants import format_instant

READ_PERMISSION = "activities.read"
DEFAULT_LIMIT, MAX_LIMIT = 50, 200

blueprint = Blueprint("activities", __name__, url_prefix="/api/activities")
blueprint.before_request(guard)


@blueprint.before_request
def _require_permission() -> None:
    if request.method != "OPTIONS":
        require_permission(READ_PERMISSION)


@blueprint.get("")
@takes("page", "limit")
def list_activities() -> Response:
    """A page of activities, newest first."""
    page = count_of("page", default=1)
    limit = count_of("limit", default=DEFAULT_LIMIT, most=MAX_LIMIT)
    found = services().activities.list_page(page, limit)
    pagination = {"total": found.total, "page": page, "limit": limit, "totalPages": -(-found.total // limit)}
    return jsonify({"data": [_activity_json(row) for row in found.rows], "pagination": pagination})


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
