"""`GET /accounts`: who there is to talk to (docs/accounts.md)."""

from flask import Blueprint, Response, jsonify

from transfer_service.errors import InvalidRequest
from transfer_service.web.context import guard, services
from transfer_service.web.query import takes, text_of

LEAST_CHARACTERS = 2

blueprint = Blueprint("people", __name__)
blueprint.before_request(guard)


@blueprint.get("/accounts")
@takes("search")
def find_accounts() -> Response:
    """Names that have this in them, in any case of any script."""
    search = text_of("search")
    if len(search) < LEAST_CHARACTERS:
        raise InvalidRequest(f"search must have at least {LEAST_CHARACTERS} characters")
    names = services().administration.accounts.find_names(search)
    return jsonify({"accounts": [{"name": name} for name in names]})
