"""`/s/TOKEN`: what whoever has the address of a link gets there, without an account (docs/sharing.md)."""

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request

from transfer_service.errors import LinkGone, TooManyGuesses, WrongLinkPassword
from transfer_service.services.files.files import parse_file_id
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.sharing.link_rows import SharedFile
from transfer_service.web.context import services
from transfer_service.web.cors import refuse_foreign_pages
from transfer_service.web.error_envelopes import set_retry_after, status_of
from transfer_service.web.files.file_response import respond, respond_with_file
from transfer_service.web.previews.thumbnails import thumbnail_of_file, wanted_size
from transfer_service.web.query import takes_any
from transfer_service.web.request_log import note
from transfer_service.web.requests import fields_of_body, text_field
from transfer_service.web.sharing.error_pages import is_page_wanted
from transfer_service.web.sharing.pages import link_page, password_page
from transfer_service.web.sharing.printing import shared_files_json
from transfer_service.web.sharing.visits import begin_visit, current_visit
from transfer_service.web.sharing.zips import zip_file
from transfer_service.wire.filenames import label_of_title
from transfer_service.wire.instants import format_second
from transfer_service.wire.links import parse_shown_password

DEFAULT_NAME = "files"
MAX_UNLOCK_BYTES = 16 * 1024
_MAY_BE_USED_UP = frozenset({"shared_links.download", "shared_links.download_all"})
"""Where whoever has begun a download may go on with it."""

blueprint = Blueprint("shared_links", __name__, url_prefix="/s/<token>")


@blueprint.before_request
def _admit() -> None:
    if request.method != "OPTIONS":
        token = (request.view_args or {}).get("token", "")
        begin_visit(token, even_used_up=request.endpoint in _MAY_BE_USED_UP)


@blueprint.get("")
@takes_any
def show(token: str) -> Response:  # noqa: ARG001 - the visit has it
    """The page of a link, or the same as JSON. Before the password was shown it says only what it is."""
    visit = current_visit()
    is_json = request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"
    if not visit.is_open:
        kind = visit.link.kind.value
        response = jsonify({"kind": kind, "has_password": True}) if is_json else password_page(visit)
    else:
        files = services().sharing.links.contents(visit.link)
        response = _json(files) if is_json else link_page(visit, files)
        if not is_json and visit.link.max_downloads is not None and visit.cookie_client is None:
            visit.give_cookie(response, services().sharing.access.new_cookie(visit.link))
    response.vary.update(["Accept", "Cookie"])
    return response


def _json(files: Sequence[SharedFile]) -> Response:
    visit = current_visit()
    return jsonify(
        {
            "kind": visit.link.kind.value,
            "name": visit.link.name,
            "files": shared_files_json(visit.token, files),
            "expires_at": format_second(visit.link.expires_at),
        }
    )


@blueprint.post("/unlock")
def unlock(token: str) -> Response:  # noqa: ARG001 - the visit has it
    """Open a link by its password: for whoever sends JSON with 204, for a form with the page."""
    # Or a stranger's page spends the guesses of its visitor's address, and opens the link in his browser, unseen.
    refuse_foreign_pages("Pages of this origin cannot open a link")
    visit = current_visit()
    password = parse_shown_password(text_field(fields_of_body(MAX_UNLOCK_BYTES), "password"))
    try:
        cookie = services().sharing.access.unlock(visit.link, password, address=request.remote_addr or "")
    except (WrongLinkPassword, TooManyGuesses) as error:
        is_throttled = isinstance(error, TooManyGuesses)
        note(unlock="throttled" if is_throttled else "failed")
        if request.is_json or not is_page_wanted():
            raise
        refusal = password_page(visit, problem="too_many" if is_throttled else "wrong")
        refusal.status_code = status_of(error)
        set_retry_after(refusal, error)
        return refusal
    is_json = request.is_json
    response = Response(status=HTTPStatus.NO_CONTENT if is_json else HTTPStatus.SEE_OTHER)
    if not is_json:
        response.headers["Location"] = visit.address()
    visit.give_cookie(response, cookie)
    return response


@blueprint.get("/files/<file_id>")
@takes_any
def download(token: str, file_id: str) -> Response:  # noqa: ARG001 - the visit has it
    """A file of the link."""
    file, visit = _file(file_id), current_visit()
    visit.require_downloads_of(file.id)
    return respond_with_file(file, meter=visit.meter(file.id, file.length or 0, file.name))


@blueprint.get("/zip")
@takes_any
def download_all(token: str) -> Response:  # noqa: ARG001 - the visit has it
    """All files of the link as one archive, which is one download."""
    visit = current_visit()
    visit.require_open()
    link = visit.link
    if link.is_upload:
        raise LinkGone
    visit.require_downloads_of(link.id)
    file_ids, folders = services().sharing.links.selection(link)
    members = services().sharing.bundles.collect(link.account_id, file_ids, folders, is_lenient=True)
    archive = zip_file(members, label_of_title(link.name or DEFAULT_NAME))
    return respond(replace(archive, meter=visit.meter(link.id, archive.length)))


@blueprint.get("/files/<file_id>/thumbnail")
@takes_any
def thumbnail(token: str, file_id: str) -> Response:  # noqa: ARG001 - the visit has it
    """A preview of a file of the link, which costs no download."""
    file = _file(file_id)
    return respond(thumbnail_of_file(file.id, file.name, wanted_size()))


def _file(file_id: str) -> FileRecord:
    """A file of the link, for who may see it. Raises PasswordRequired, LinkGone."""
    visit = current_visit()
    visit.require_open()
    parsed = parse_file_id(file_id)
    if parsed is None:
        raise LinkGone
    return services().sharing.links.get_file(visit.link, parsed)
