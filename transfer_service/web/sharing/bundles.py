"""`/api/bundles`: files and folders of an account as one archive, by a signed address (docs/sharing.md)."""

from typing import Any

from flask import Blueprint, Response, jsonify

from transfer_service.errors import InvalidName, InvalidRequest, ReadFailed, StoreUnavailable
from transfer_service.services.sharing.bundles import LIFE
from transfer_service.web.context import current, guard, services
from transfer_service.web.files.file_response import respond
from transfer_service.web.query import takes_any
from transfer_service.web.requests import bundle_id_of, json_object
from transfer_service.web.sharing.signed import signable, signed_url
from transfer_service.web.sharing.zips import zip_file, zip_name
from transfer_service.wire.filenames import parse_label
from transfer_service.wire.instants import format_second
from transfer_service.wire.json_text import MAX_LIST_BYTES
from transfer_service.wire.links import parse_file_ids, parse_folders
from transfer_service.wire.zip_layout import ZipLayout

DEFAULT_NAME = "files"

blueprint = Blueprint("bundles", __name__, url_prefix="/api/bundles")
blueprint.before_request(guard)


@blueprint.post("")
def create() -> tuple[Response, int]:
    """An archive of what is asked for, as it is now."""
    wanted = json_object(most_outside=MAX_LIST_BYTES)
    file_ids, folders = parse_file_ids(wanted), parse_folders(wanted)
    if not file_ids and not folders:
        raise InvalidRequest("A bundle needs file_ids or folders")
    name = _name(wanted)
    try:
        bundle = services().sharing.bundles.create(current().account_id, file_ids, folders, name)
    except ReadFailed as error:  # of a file that is read for the first time for its checksum
        raise StoreUnavailable from error
    address = signed_url(f"{blueprint.url_prefix}/{bundle.id}", current(), expires_in=int(LIFE.total_seconds()))
    size = ZipLayout(bundle.members).size
    return jsonify({"url": address.url, "size": size, "expires_at": format_second(address.expires_at)}), 201


def _name(wanted: dict[str, Any]) -> str:
    """What the archive is to be called: one label. Raises InvalidRequest."""
    name = wanted.get("name", DEFAULT_NAME)
    if not isinstance(name, str):
        raise InvalidRequest("name must be a string")
    try:
        return parse_label(zip_name(parse_label(name)))
    except InvalidName as error:
        raise InvalidRequest(str(error).replace("File name", "name")) from error


@blueprint.get("/<bundle_id>")
@takes_any
@signable
def download(bundle_id: str) -> Response:
    """The archive, while its account may read all that is in it."""
    bundle = services().sharing.bundles.get(current().account_id, bundle_id_of(bundle_id))
    return respond(zip_file(bundle.members, bundle.name, made_at=bundle.created_at))
