"""`/api/links`: the links of an account (docs/sharing.md)."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime

from flask import Blueprint, Response, jsonify

from transfer_service.errors import LinkGone
from transfer_service.services.files.files import parse_file_id
from transfer_service.services.sharing.link_rows import LinkRecord, SharedFile
from transfer_service.web.context import current, guard, services
from transfer_service.web.query import PAGING, Key, read_page, takes
from transfer_service.web.requests import json_object
from transfer_service.web.sharing.printing import link_json
from transfer_service.wire.json_text import MAX_LIST_BYTES
from transfer_service.wire.links import MAX_LISTED, parse_link

blueprint = Blueprint("links", __name__, url_prefix="/api/links")
blueprint.before_request(guard)


@blueprint.post("")
def create_link() -> tuple[Response, int]:
    """Make a link."""
    draft = parse_link(json_object(most_outside=MAX_LIST_BYTES))
    link = services().sharing.links.create(current().account_id, draft)
    return _printed(link), 201


@blueprint.get("")
@takes(*PAGING)
def list_links() -> Response:
    """The account's links, newest first, until some time after they have expired."""
    page = read_page(_place_of, datetime, uuid.UUID)
    found = services().sharing.links.list_links(current().account_id, limit=page.wanted, after=page.after)
    shown = list(_that_fit(found[: page.limit]))
    is_cut = len(shown) < min(len(found), page.limit)
    next_cursor = page.cursor_behind(shown[-1][0]) if is_cut else page.cut(found)[1]
    return jsonify({"links": [link_json(link, files) for link, files in shown], "next_cursor": next_cursor})


def _that_fit(links: Sequence[LinkRecord]) -> Iterator[tuple[LinkRecord, list[SharedFile]]]:
    """Links with their files, as many as one answer can hold: of each link there may be MAX_LISTED."""
    left = MAX_LISTED
    for number, link in enumerate(links):
        files = services().sharing.links.contents(link)
        left -= len(files)
        if left < 0 and number:
            return
        yield link, files


@blueprint.get("/<link_id>")
def show_link(link_id: str) -> Response:
    """One of them."""
    return _printed(services().sharing.links.get(current().account_id, _id_of(link_id)))


@blueprint.delete("/<link_id>")
def revoke_link(link_id: str) -> tuple[str, int]:
    """End a link at once."""
    services().sharing.links.revoke(current().account_id, _id_of(link_id))
    return "", 204


def _printed(link: LinkRecord) -> Response:
    return jsonify(link_json(link, services().sharing.links.contents(link)))


def _place_of(link: LinkRecord) -> Key:
    return (link.created_at, link.id)


def _id_of(text: str) -> uuid.UUID:
    """The id of a link in a path: what is no UUID is the id of none. Raises LinkGone."""
    parsed = parse_file_id(text)
    if parsed is None:
        raise LinkGone
    return parsed
