"""What somebody asks for who makes a link: the fields of `POST /api/links`."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transfer_service.errors import InvalidRequest
from transfer_service.wire.filenames import parse_name
from transfer_service.wire.titles import parse_title

DAY_SECONDS = 24 * 3600
DEFAULT_SECONDS, MAX_SECONDS = 7 * DAY_SECONDS, 365 * DAY_SECONDS
MAX_LISTED = 10_000
"""Files, and folders, of one link or bundle."""
MOST = 2**63 - 1
MIN_PASSWORD_CHARACTERS = 6
_OF_DOWNLOADS, _OF_UPLOADS = ("file_ids", "folders", "max_downloads"), ("folder", "max_files", "max_bytes")


@dataclass(frozen=True, slots=True)
class LinkDraft:
    """A link that is to be made. What names a file or a folder twice does so once here."""

    is_upload: bool
    file_ids: tuple[uuid.UUID, ...] = ()
    folders: tuple[str, ...] = ()
    folder: str | None = None
    name: str | None = None
    password: str | None = None
    expires_in: int = DEFAULT_SECONDS
    max_downloads: int | None = None
    max_files: int | None = None
    max_bytes: int | None = None


def parse_link(fields: Mapping[str, Any]) -> LinkDraft:
    """Raises InvalidRequest for a field of a wrong type or out of its range, and for fields that exclude each other."""
    is_upload = fields.get("upload", False)
    if not isinstance(is_upload, bool):
        raise InvalidRequest("upload must be true or false")
    for name in _OF_DOWNLOADS if is_upload else _OF_UPLOADS:
        if name in fields:
            raise InvalidRequest(f"{name} does not go with a link for {'uploads' if is_upload else 'downloads'}")
    draft = LinkDraft(
        is_upload=is_upload,
        file_ids=parse_file_ids(fields),
        folders=parse_folders(fields),
        folder=parse_name(_text(fields, "folder")) if "folder" in fields else None,
        name=parse_title(fields["name"], what="name") if "name" in fields else None,
        password=_text(fields, "password") if "password" in fields else None,
        expires_in=_number(fields, "expires_in", most=MAX_SECONDS) or DEFAULT_SECONDS,
        max_downloads=_number(fields, "max_downloads"),
        max_files=_number(fields, "max_files"),
        max_bytes=_number(fields, "max_bytes"),
    )
    if not (is_upload or draft.file_ids or draft.folders):
        raise InvalidRequest("A link needs file_ids, folders or upload")
    return draft


def parse_file_ids(fields: Mapping[str, Any]) -> tuple[uuid.UUID, ...]:
    """The field `file_ids`, each once, in their order; none where it is missing. Raises InvalidRequest."""
    return tuple(dict.fromkeys(map(_file_id, _texts(fields, "file_ids"))))


def parse_folders(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """The field `folders`: paths, each once, in their order; none where it is missing. Raises InvalidRequest."""
    return tuple(dict.fromkeys(map(parse_name, _texts(fields, "folders"))))


def parse_shown_password(password: str) -> str:
    """A password that somebody opens a link with. Raises InvalidRequest where none can be as short."""
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise InvalidRequest(f"A password has at least {MIN_PASSWORD_CHARACTERS} characters")
    return password


def _texts(fields: Mapping[str, Any], name: str) -> list[str]:
    values = fields.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidRequest(f"{name} must be a list of strings")
    if len(values) > MAX_LISTED:
        raise InvalidRequest(f"{name} must have at most {MAX_LISTED} entries")
    if name in fields and not values:
        raise InvalidRequest(f"{name} must not be empty")
    return values


def _file_id(text: str) -> uuid.UUID:
    try:
        parsed = uuid.UUID(text)
    except ValueError as error:
        raise InvalidRequest("file_ids must be UUIDs") from error
    if str(parsed) != text.lower():  # what `uuid.UUID` also takes
        raise InvalidRequest("file_ids must be UUIDs")
    return parsed


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} must be a string")
    return value


def _number(fields: Mapping[str, Any], name: str, *, most: int = MOST) -> int | None:
    if name not in fields:
        return None
    value = fields[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidRequest(f"{name} must be a number from 1 to {most}")
    return value
