"""`GET /api/admin/usage`: what is stored, and by whom (docs/administration.md)."""

from typing import Any

from flask import Blueprint, Response, jsonify

from transfer_service.services.upkeep.usage import AccountUsage
from transfer_service.web.admin.doors import guard_for_admins
from transfer_service.web.context import services
from transfer_service.web.query import MAX_PAGE, PAGING, Key, read_page, takes

blueprint = Blueprint("usage", __name__, url_prefix="/api/admin/usage")
guard_for_admins(blueprint)


@blueprint.get("")
@takes(*PAGING)
def show_usage() -> Response:
    """Bytes and files in all and of each account, by name; without `limit` of the first thousand."""
    page = read_page(_place_of, str, default=MAX_PAGE)
    report = services().administration.usage
    total = report.total()
    found = report.list_accounts(limit=page.wanted, after=page.after[0] if page.after else None)
    shown, next_cursor = page.cut(found)
    return jsonify(
        {
            "used_bytes": total.used_bytes,
            "files": total.files,
            "free_bytes": total.free_bytes,
            "accounts": [_account_json(each) for each in shown],
            "next_cursor": next_cursor,
        }
    )


def _place_of(account: AccountUsage) -> Key:
    return (account.name,)


def _account_json(account: AccountUsage) -> dict[str, Any]:
    return {"name": account.name, "used_bytes": account.used_bytes, "files": account.files}
