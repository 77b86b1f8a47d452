"""`DELETE /api/admin/accounts/{name}`: an account that goes with all its data (docs/administration.md)."""

from http import HTTPStatus

from flask import Blueprint

from transfer_service.web.admin.doors import guard_for_admins
from transfer_service.web.context import current, services
from transfer_service.web.running import spare_own_request

blueprint = Blueprint("account_removal", __name__, url_prefix="/api/admin/accounts")
guard_for_admins(blueprint)


@blueprint.delete("/<name>")
def delete_account(name: str) -> tuple[str, int]:
    """Remove an account. What was interrupted goes on when it is asked for again."""
    spare_own_request()  # it may be of the account that goes
    services().account_removal.remove(name, by=current())
    return "", HTTPStatus.NO_CONTENT
