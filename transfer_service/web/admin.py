"""`POST /cleanup`, for administrators."""

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request

from transfer_service.services.cleanup import Report
from transfer_service.web.current_account import guard, require_admin
from transfer_service.web.services import services

blueprint = Blueprint("admin", __name__)
blueprint.before_request(guard)


@blueprint.before_request
def _require_admin() -> None:
    if request.method != "OPTIONS":
        require_admin()


def report_json(report: Report) -> dict[str, Any]:
    """What a cleanup removed: a count and bytes for each kind."""
    return asdict(report)


@blueprint.post("/cleanup")
def cleanup() -> Response:
    """Run the cleanup now."""
    report = services().cleanup.run()
    return jsonify({"message": "Cleanup completed", "removed": report_json(report)})
