"""The file that describes games and their archives: JSON with `games` and `gameData`."""

import json
import re
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from transfer_service.wire.instants import parse_instant

MAX_DATA_ID = 2**63 - 1
MAX_SIZE_BYTES = 2**53
MAX_TITLE_CHARACTERS = 1000
MAX_TEXT_CHARACTERS = 100_000
MAX_TAGS = 1000
SHOWN_MISTAKES = 50

_FIRST_YEAR = 1970  # addresses count milliseconds from there
_LONGEST_NUMBER = 40
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.IGNORECASE | re.ASCII)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # controls, and halves of characters
_UNPRINTABLE_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # lines and tabs may be in it


class InvalidCatalogue(ValueError):
    """A catalogue cannot be imported; the message names the mistakes, one a line."""

    def __init__(self, mistakes: Collection[str]) -> None:
        lines = list(mistakes)[:SHOWN_MISTAKES]
        if len(mistakes) > SHOWN_MISTAKES:
            lines.append(f"… and {len(mistakes) - SHOWN_MISTAKES} more")
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class GameEntry:
    """A game; None for what its row does not tell."""

    id: uuid.UUID
    title: str
    platform: str | None = None
    developer: str | None = None
    publisher: str | None = None
    release_date: str | None = None
    description: str | None = None
    launch_command: str | None = None
    tags: list[str] | None = None


@dataclass(frozen=True, slots=True)
class GameDataEntry:
    """An archive of a game. `size` in bytes, `sha256` in lower-case hexadecimal, `added_at` in UTC."""

    id: int
    game_id: uuid.UUID
    title: str
    added_at: datetime
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a file describes, each part in its order there and every id once."""

    games: tuple[GameEntry, ...]
    game_data: tuple[GameDataEntry, ...]


def parse_catalogue(text: bytes) -> Catalogue:
    """The catalogue in a file. Raises InvalidCatalogue, which names every mistake."""
    document = _parse_json(text)
    if not isinstance(document, dict):
        raise InvalidCatalogue(["The catalogue must be a JSON object with games and gameData"])
    mistakes: list[str] = []
    games = _parse_rows(document, "games", _GAME_FIELDS, mistakes)
    game_data = _parse_rows(document, "gameData", _GAME_DATA_FIELDS, mistakes)
    if mistakes:
        raise InvalidCatalogue(mistakes)
    return Catalogue(
        games=tuple(GameEntry(**row) for row in games), game_data=tuple(GameDataEntry(**row) for row in game_data)
    )


def _parse_json(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8-sig"), parse_int=_parse_number)
    except UnicodeDecodeError as error:
        raise InvalidCatalogue([f"The catalogue is not UTF-8: byte {error.start} cannot be read"]) from error
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise InvalidCatalogue([f"The catalogue is not JSON: {reason}"]) from error
    except RecursionError as error:
        raise InvalidCatalogue(["The catalogue is nested too deeply"]) from error


def _parse_number(digits: str) -> int:
    """An integer; of one that is too large for every field the beginning, which is too large as well."""
    return int(digits[:_LONGEST_NUMBER])


def _parse_rows(
    document: dict[str, Any], part: str, fields: Mapping[str, "_Field"], mistakes: list[str]
) -> list[dict[str, Any]]:
    """The rows of one part as arguments of their class; what is wrong with them is added to `mistakes`."""
    rows = document.get(part)
    if not isinstance(rows, list):
        mistakes.append(f"{part}: must be a list" if part in document else f"{part}: is missing")
        return []
    places: dict[Any, int] = {}
    parsed = []
    for place, row in enumerate(rows):
        arguments = _parse_row(row, f"{part}[{place}]", fields, mistakes)
        parsed.append(arguments)
        if "id" in arguments and (first := places.setdefault(arguments["id"], place)) != place:
            mistakes.append(f"{part}[{place}].id: is the same as that of {part}[{first}]")
    return parsed


def _parse_row(row: object, where: str, fields: Mapping[str, "_Field"], mistakes: list[str]) -> dict[str, Any]:
    if not isinstance(row, dict):
        mistakes.append(f"{where}: must be an object")
        return {}
    arguments = {}
    for key, field in fields.items():
        if key not in row:
            if not field.is_optional:
                mistakes.append(f"{where}.{key}: is missing")
            continue
        try:
            arguments[field.argument] = field.parse(row[key])
        except ValueError as error:
            mistakes.append(f"{where}.{key}: {error}")
    return arguments


@dataclass(frozen=True, slots=True)
class _Field:
    """Where a value of a row goes. `parse` raises ValueError, which says what the value must be."""

    argument: str
    parse: Callable[[object], Any]
    is_optional: bool = False


def _parse_uuid(value: object) -> uuid.UUID:
    if not isinstance(value, str) or _UUID.fullmatch(value) is None:
        raise ValueError("must be a UUID, such as 0b8bd5ab-2f5c-4b3c-a3d5-2f2fd2c6d1f0")
    return uuid.UUID(value)


def _parse_title(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be text that is not empty")
    return _checked(value, MAX_TITLE_CHARACTERS, _UNPRINTABLE)


def _checked(value: str, longest: int, unprintable: re.Pattern[str]) -> str:
    if len(value) > longest:
        raise ValueError(f"must have at most {longest} characters")
    if unprintable.search(value):
        raise ValueError("must not have control characters")
    return value


def _optional_text(longest: int, unprintable: re.Pattern[str]) -> Callable[[object], str | None]:
    """For text that may be missing, or null, which is the same."""

    def parse(value: object) -> str | None:
        if isinstance(value, str):
            return _checked(value, longest, unprintable)
        if value is not None:
            raise ValueError("must be text")
        return None

    return parse


def _parse_tags(value: object) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise ValueError("must be a list of texts")
    if len(value) > MAX_TAGS:
        raise ValueError(f"must have at most {MAX_TAGS} of them")
    return [_checked(tag, MAX_TITLE_CHARACTERS, _UNPRINTABLE) for tag in value]


def _parse_date(value: object) -> datetime:
    try:
        at = parse_instant(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.year < _FIRST_YEAR:
        raise ValueError(f"must be a date of ISO 8601 from {_FIRST_YEAR} on, such as 2024-05-01T12:00:00Z")
    return at


def _parse_sha256(value: object) -> str:
    if not isinstance(value, str) or _SHA256.fullmatch(value) is None:
        raise ValueError("must be 64 hexadecimal digits")
    return value.lower()


def _parse_integer(lowest: int, highest: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if type(value) is not int or not lowest <= value <= highest:  # a bool is an int, too
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return value

    return parse


_LINE = _optional_text(MAX_TITLE_CHARACTERS, _UNPRINTABLE)
_TEXT = _optional_text(MAX_TEXT_CHARACTERS, _UNPRINTABLE_IN_TEXT)
_GAME_FIELDS = {
    "id": _Field("id", _parse_uuid),
    "title": _Field("title", _parse_title),
    "platform": _Field("platform", _LINE, is_optional=True),
    "developer": _Field("developer", _LINE, is_optional=True),
    "publisher": _Field("publisher", _LINE, is_optional=True),
    "releaseDate": _Field("release_date", _LINE, is_optional=True),
    "description": _Field("description", _TEXT, is_optional=True),
    "launchCommand": _Field("launch_command", _TEXT, is_optional=True),
    "tags": _Field("tags", _parse_tags, is_optional=True),
}
_GAME_DATA_FIELDS = {
    "id": _Field("id", _parse_integer(0, MAX_DATA_ID)),
    "gameId": _Field("game_id", _parse_uuid),
    "title": _Field("title", _parse_title),
    "dateAdded": _Field("added_at", _parse_date),
    "sha256": _Field("sha256", _parse_sha256),
    "size": _Field("size", _parse_integer(1, MAX_SIZE_BYTES)),
}


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Source:
    """A place on the web with many archives. `base_url` holds placeholders, or what stands before every name."""

    name: str
    base_url: str

    def url_of(self, *, game_id: uuid.UUID, game_data_id: int, added_at: datetime, sha256: str) -> str:
        """The address of one archive."""
        values = {"{gameId}": str(game_id), "{gameDataId}": str(game_data_id), "{sha256}": sha256}
        url = self.base_url
        for placeholder, value in values.items():
            url = url.replace(placeholder, value)
        if url != self.base_url:
            return url
        return f"{url}{game_id}-{(added_at - _EPOCH) // _MILLISECOND}.zip"
