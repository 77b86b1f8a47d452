"""`POST /cleanup`, for administrators."""

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify

from transfer_service.services.upkeep.cleanup import Report
from transfer_service.services.upkeep.orphans import MANY_BYTES, MANY_SHARE
from transfer_service.shipped import COMMAND
from transfer_service.web.admin.doors import guard_for_admins
from transfer_service.web.context import services

blueprint = Blueprint("cleanup", __name__)
guard_for_admins(blueprint)


def report_json(report: Report) -> dict[str, Any]:
    """What a cleanup did and found: in `removed` a count and bytes for each kind."""
    return asdict(report)


def message_of(report: Report) -> str:
    """That it is done, and where orphans stay, that they do."""
    if not report.left.count:
        return "Cleanup completed"
    return (
        f"Cleanup completed, but {report.left.count} orphaned files ({report.left.bytes} bytes) stay where they are: "
        f"they are more than {MANY_SHARE:.0%} of all files or {MANY_BYTES // 1024**3} GiB, as with another or an older "
        f"database. If they are to go: {COMMAND} cleanup --yes-remove-many"
    )


@blueprint.post("/cleanup")
def cleanup() -> Response:
    """Run the cleanup now."""
    report = services().cleanup.run()
    return jsonify({"message": message_of(report), **report_json(report)})
