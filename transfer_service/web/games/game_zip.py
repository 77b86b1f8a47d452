"""`/game-zip/…`: members of verified archives, for everybody who is signed in.

What is in an archive comes from elsewhere and may be hostile, and it is to be run: a page with its scripts, images and
styles. So all of it comes in a CSP sandbox without `allow-same-origin`. The page's origin is its own, like no other:
it reads neither this origin's cookies nor its storage nor any answer of the API. To the browser its requests come from
a foreign site, so cookies with SameSite=Lax stay away from them; `allow-same-site-none-cookies` (Chromium) and a cookie
for this path alone (`GAME_COOKIE`) let the page have its own parts. What it asks for by script (fetch, modules, fonts)
it does not get: an answer that it may read could be read by the sandboxed pages of every site. Such a site can use the
cookie to show a member or to run it as a script, not to read it.
"""

from functools import partial

from flask import Blueprint, Response, request

from transfer_service.errors import NotAuthenticated
from transfer_service.services.games.archives import Member
from transfer_service.web.accounts.auth import GAME_COOKIE
from transfer_service.web.context import adopt, require_account, services
from transfer_service.web.files.file_response import StoredFile, respond
from transfer_service.web.query import takes_any
from transfer_service.web.requests import game_id_of
from transfer_service.wire.media_types import guess_media_type

GAME_SANDBOX = (
    "sandbox allow-scripts allow-forms allow-modals allow-popups allow-pointer-lock allow-downloads "
    "allow-same-site-none-cookies"
)

blueprint = Blueprint("game_zip", __name__, url_prefix="/game-zip")


@blueprint.before_request
def _guard() -> None:
    """Like `guard`. Without the usual tokens the cookie of this path will do: it can only read."""
    if request.method == "OPTIONS":
        return
    try:
        require_account()
    except NotAuthenticated:
        token = request.cookies.get(GAME_COOKIE)
        if not token or request.method not in {"GET", "HEAD"}:
            raise
        adopt(token)


@blueprint.get("/<game_id>/<name:member>")
@takes_any
def by_name(game_id: str, member: str) -> Response:
    """A member of the game's newest archive; or a page of the web, where a proxy has left one of its two slashes."""
    if game_id in {"http:", "https:"}:
        return by_url(member)
    return _respond(services().game_archives.get_member(game_id_of(game_id), member))


@blueprint.get("/http://<name:location>")
@blueprint.get("/https://<name:location>")
@takes_any
def by_url(location: str) -> Response:
    """The member that stands for a page of the web."""
    return _respond(services().game_archives.find_by_url(location))


def _respond(member: Member) -> Response:
    archives = services().game_archives
    return respond(
        StoredFile(
            name=member.name.rpartition("/")[2],
            media_type=guess_media_type(member.name),
            length=member.length,
            etag=member.etag,
            modified_at=member.modified_at,
            open=partial(archives.open, member),
            still_exists=partial(archives.is_there, member.game_data_id),
            is_inline=True,
            content_security_policy=GAME_SANDBOX,
        )
    )
