"""`/api/files`: what is stored under an account's names (docs/device-chunks.md, docs/whole-files.md)."""

import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Any

from flask import Blueprint, Response, jsonify, request

from transfer_service.errors import InvalidRequest
from transfer_service.services.files.folders import FolderRecord
from transfer_service.services.files.listing import FileQuery, Sort, Status, place_of, place_types
from transfer_service.services.files.rows import FileRecord
from transfer_service.web.context import current, guard, services
from transfer_service.web.files.printing import details_json, pending_json, status_json, status_with_gaps_json
from transfer_service.web.query import PAGING, Key, Order, choice_of, flag_of, read_page, takes, text_of
from transfer_service.web.requests import file_id_of, json_object
from transfer_service.wire.filenames import parse_name
from transfer_service.wire.instants import format_instant

_NOTHING: dict[type, Any] = {datetime: datetime.min.replace(tzinfo=UTC), uuid.UUID: uuid.UUID(int=0), str: "", int: 0}
"""What stands in the place of a folder where that of a file would have a value."""

blueprint = Blueprint("stored_files", __name__, url_prefix="/api/files")
blueprint.before_request(guard)


@blueprint.get("/status/<name:name>")
def status(name: str) -> Response:
    """How far a file got, by its name or else its UUID."""
    name = parse_name(name)
    found = services().files.find_by_name_or_id(current().account_id, name)
    return jsonify({**pending_json(name), "missing": []} if found is None else status_with_gaps_json(found))


@blueprint.get("/<name>")
def show_file(name: str) -> Response:
    """The same by UUID, with what is seen in it."""
    return jsonify(details_json(services().files.get(current().account_id, file_id_of(name))))


@blueprint.patch("/<name>")
def rename_file(name: str) -> Response:
    """Give a file another name."""
    filename = json_object().get("filename")
    if not isinstance(filename, str):
        raise InvalidRequest("filename must be a string")
    renamed = services().renaming.rename(current().account_id, file_id_of(name), parse_name(filename))
    return jsonify(status_with_gaps_json(renamed))


@blueprint.get("")
@takes(*PAGING, "folder", "prefix", "search", "status", "sort", "order")
def list_files() -> Response:
    """The account's files, newest first unless asked otherwise; or what lies in a folder."""
    query = _file_query()
    if query.folder is not None:
        return _list_folder(query, query.folder)
    page = read_page(partial(place_of, query.sort), *place_types(query.sort))
    found = services().file_listing.list_files(current().account_id, query, limit=page.wanted, after=page.after)
    shown, next_cursor = page.cut(found)
    return jsonify({"files": [status_json(file) for file in shown], "next_cursor": next_cursor})


def _list_folder(query: FileQuery, path: str) -> Response:
    """Its folders, by their paths, then its files. A place in the list is that of one or the other."""
    types = place_types(query.sort)
    nothing = tuple(_NOTHING[each] for each in types)

    def key_of(item: FolderRecord | FileRecord) -> Key:
        if isinstance(item, FolderRecord):
            return (0, item.path, *nothing)
        return (1, "", *place_of(query.sort, item))

    page = read_page(key_of, int, str, *types)
    is_in_files = page.after is not None and page.after[0] == 1
    folders: list[FolderRecord] = []
    if not (is_in_files or query.prefix or query.status):
        folders = services().folders.list_folders(
            current().account_id,
            path,
            search=query.search,
            is_ascending=query.sort is not Sort.NAME or query.is_ascending,
            limit=page.wanted,
            after=page.after[1] if page.after else "",
        )
    left = page.wanted - len(folders)
    after = page.after[2:] if page.after and is_in_files else None
    files = services().file_listing.list_files(current().account_id, query, limit=left, after=after) if left else []
    shown, next_cursor = page.cut([*folders, *files])
    shown_folders = [each for each in shown if isinstance(each, FolderRecord)]
    return jsonify(
        {
            "folders": [{"path": each.path, "created_at": format_instant(each.created_at)} for each in shown_folders],
            "files": [status_json(each) for each in shown if isinstance(each, FileRecord)],
            "next_cursor": next_cursor,
        }
    )


def _file_query() -> FileQuery:
    """What the query asks for. Raises InvalidRequest."""
    folder = request.args.get("folder")
    sort, order = choice_of("sort", Sort) or Sort.CREATED, choice_of("order", Order)
    return FileQuery(
        sort=sort,
        is_ascending=sort is Sort.NAME if order is None else order is Order.ASCENDING,
        prefix=text_of("prefix"),
        search=text_of("search"),
        status=choice_of("status", Status),
        folder=parse_name(folder) if folder else folder,
    )


@blueprint.delete("/<name:name>")
@takes("permanent")
def delete_file(name: str) -> Response:
    """Delete a file, or cancel its upload, by its name or else its UUID."""
    name = parse_name(name)
    services().files.delete(current().account_id, name, is_permanent=flag_of("permanent"))
    return jsonify({"detail": f"File {name} deleted successfully"})
