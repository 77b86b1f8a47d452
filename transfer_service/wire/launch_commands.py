"""Launch commands of games: where in an archive they lead, and whether a browser can run what is there."""

import re
import uuid
from urllib.parse import quote

from transfer_service.wire.media_types import guess_media_type

_URL = re.compile(r"(https?)://([^?#]*)([?#].*)?", re.IGNORECASE | re.DOTALL)
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # of another scheme; one letter is a drive of Windows
_QUOTED = re.compile(r'"([^"]*)"')
_ESCAPED_ONCE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PATH, _REST = "/%:@!$&'()*+,;=~", "/%:@!$&'()*+,;=~?#[]"
_PAGES = frozenset({"text/html", "application/xhtml+xml", "image/svg+xml"})
_PLUGINS = frozenset(
    {
        "flash", "adobe flash", "macromedia flash", "shockwave", "adobe shockwave", "shockwave director", "java",
        "java applet", "unity", "unity web player", "silverlight", "activex", "authorware",
    }
)  # fmt: skip
"""Platforms whose pages need what browsers no longer have."""


def content_address(command: str | None, game_id: uuid.UUID) -> str | None:
    """The path under `/game-zip/` that a launch command leads to, None where it leads to none.

    A command is an address of the web, of which query and fragment are kept for the page's own scripts; or the name of
    a member of the game's archive. Where it begins in quotation marks, what stands in them counts.
    """
    target = _target(command)
    url = _URL.fullmatch(target)
    if url is not None:
        scheme, location, rest = url[1].lower(), url[2].replace("\\", "/"), url[3] or ""
        if not location.strip("/"):
            return None
        return f"/game-zip/{scheme}://{_escaped(location, _PATH)}{_escaped(rest, _REST)}"
    member = _member(target)
    return f"/game-zip/{game_id}/{quote(member)}" if member else None


def can_play_in_browser(command: str | None, platform: str | None) -> bool:
    """Whether a launch command leads to a page (HTML, XHTML, SVG) of a platform that browsers still have.

    Goes by names alone: whether it was downloaded is another question.
    """
    if (platform or "").strip().casefold() in _PLUGINS:
        return False
    target = _target(command)
    url = _URL.fullmatch(target)
    if url is None:
        return guess_media_type(_member(target)) in _PAGES
    _host, _slash, path = url[2].replace("\\", "/").partition("/")
    return guess_media_type(path) in _PAGES


def _target(command: str | None) -> str:
    target = (command or "").strip()
    quoted = _QUOTED.match(target)
    return quoted[1].strip() if quoted else target


def _member(target: str) -> str:
    """The name of a member, empty for what is no name of one."""
    if _ABSOLUTE.match(target):
        return ""
    return target.replace("\\", "/").removeprefix("./").lstrip("/")


def _escaped(text: str, safe: str) -> str:
    """With a percent sign wherever an address needs one; those that it has stay."""
    return quote(_ESCAPED_ONCE.sub("%25", text), safe=safe)
