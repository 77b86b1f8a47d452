"""`/s/TOKEN/uploads`: resumable uploads for whoever has an upload link (docs/sharing.md).

The same doors as `/api/uploads`. What arrives belongs to the account that has given out the link, within the link's
allotment; a token that comes along changes nothing.
"""

from typing import Any

from flask import Blueprint, g, request

from transfer_service.errors import LinkGone
from transfer_service.web.context import services
from transfer_service.web.sharing.visits import begin_visit
from transfer_service.web.uploads.resumable import add_routes
from transfer_service.web.uploads.senders import GuestPass, Sender

blueprint = Blueprint("link_uploads", __name__, url_prefix="/s/<token>/uploads")


@blueprint.url_value_preprocessor
def _take_token(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    """The views have no use for it."""
    g.link_token = (values or {}).pop("token", "")


@blueprint.before_request
def _admit() -> None:
    """Raises LinkGone, PasswordRequired, TooManyUnderWay. OPTIONS tells nothing of the link."""
    if request.method == "OPTIONS":
        return
    visit = begin_visit(g.link_token)
    if not visit.link.is_upload:
        raise LinkGone
    visit.require_open()
    if request.endpoint == f"{blueprint.name}.create":
        services().sharing.uploads.check_crowd(visit.link.id)
    folder = services().sharing.links.folder_of(visit.link)
    guest = GuestPass(visit.link.id, visit.token, folder, visit.link.expires_at)
    g.sender = Sender(visit.link.account_id, f"/s/{visit.token}/uploads", visit.link.id, guest)


add_routes(blueprint, are_listed=False)
