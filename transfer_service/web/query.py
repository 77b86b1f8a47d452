"""The query of a request: which parameters a route takes, and what they say.

A route declares its parameters by `takes`; any other one is refused, and so is one that comes twice, because one of
the two would be ignored. Routes that send bytes, and pages, are declared by `takes_any`: their addresses get parameters
from players, caches and analysis tools. `check_queries` puts this in front of every view, behind the guards: who may
not come in hears of that first.

Lists come in pages: `?limit=` and `?cursor=`, and the `next_cursor` of the answer. A cursor holds where its page ended,
as the sort keys of the last item, and counts for the query that gave it: for the same account, route and parameters but
`limit`. All of that is under an HMAC, so what comes back is what was given. Where a list is followed, `read_place` and
`print_place` do the same for a parameter of another name, which every answer gives anew.
"""

import base64
import binascii
import hmac
import json
import unicodedata
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial, wraps
from typing import Any, Generic, TypeVar

from flask import Flask, current_app, request

from transfer_service.errors import InvalidRequest
from transfer_service.web.accounts.tokens import KEYS
from transfer_service.web.context import current
from transfer_service.web.requests import parse_count

Choice = TypeVar("Choice", bound=StrEnum)
View = TypeVar("View", bound=Callable[..., Any])
_ATTRIBUTE = "query_parameters"
_FLAGS = {"true": True, "false": False}


class Order(StrEnum):
    """The two ways through a list."""

    ASCENDING = "asc"
    DESCENDING = "desc"


def takes(*names: str) -> Callable[[View], View]:
    """Declare the query parameters of a view."""

    def declare(view: View) -> View:
        setattr(view, _ATTRIBUTE, frozenset(names))
        return view

    return declare


def takes_any(view: View) -> View:
    """Declare that a view ignores its query, whatever stands in it."""
    setattr(view, _ATTRIBUTE, None)
    return view


def parameters_of(view: Callable[..., Any]) -> frozenset[str] | None:
    """The declared parameters of a view, None where any are allowed."""
    declared: frozenset[str] | None = getattr(view, _ATTRIBUTE, frozenset())
    return declared


def check_queries(app: Flask, *, except_for: Collection[str] = ()) -> None:
    """Have every view of the app, but for these endpoints, refuse what it does not take. Call it last."""
    for endpoint, view in app.view_functions.items():
        app.view_functions[endpoint] = takes_any(partial(view)) if endpoint in except_for else _checked(view)


def _checked(view: View) -> View:
    known = parameters_of(view)
    if known is None:
        return view

    @wraps(view)
    def checking(*args: Any, **kwargs: Any) -> Any:
        if request.args and request.method != "OPTIONS":  # a preflight is about another request
            _refuse_others(known)
        return view(*args, **kwargs)

    return checking  # type: ignore[return-value]


def _refuse_others(known: frozenset[str]) -> None:
    for name, values in request.args.lists():
        if name not in known:
            raise InvalidRequest(f"Unknown query parameter: {_shown(name)}")
        if len(values) > 1:
            raise InvalidRequest(f"Query parameter given more than once: {name}")


def _shown(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name[:100])


def count_of(name: str, *, default: int, most: int | None = None) -> int:
    """A number of the query that counts from 1, to `most`. Raises InvalidRequest."""
    number = parse_count(request.args.get(name), name)
    if number is None:
        return default
    if number < 1 or (most is not None and number > most):
        raise InvalidRequest(f"{name} must be 1 to {most}" if most is not None else f"Invalid {name}")
    return number


def choice_of(name: str, choices: type[Choice]) -> Choice | None:
    """One of the words that a parameter takes, None where it is absent. Raises InvalidRequest."""
    value = request.args.get(name)
    if value is None:
        return None
    try:
        return choices(value)
    except ValueError as error:
        raise InvalidRequest(f"{name} must be one of {', '.join(each.value for each in choices)}") from error


def text_of(name: str) -> str:
    """A text in NFC, empty where it is absent. Raises InvalidRequest where there is a control character in it."""
    value = unicodedata.normalize("NFC", request.args.get(name, ""))
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise InvalidRequest(f"Invalid {name}")
    return value


def flag_of(name: str) -> bool:
    """Whether a flag such as `?overwrite=true` is set; it is not by default. Raises InvalidRequest."""
    value = request.args.get(name)
    if value is None:
        return False
    if value not in _FLAGS:
        raise InvalidRequest(f"Invalid {name}")
    return _FLAGS[value]


DEFAULT_PAGE, MAX_PAGE = 100, 1000
PAGING = ("limit", "cursor")
"""What a route with pages declares among its parameters."""

Item = TypeVar("Item")
Key = tuple[Any, ...]
_MAC_BYTES = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Which page a request asks for. `after` is the key of the item before it, None at the beginning.

    `key_of` gives the sort keys of an item: instants, UUIDs, numbers, strings and truth values.
    """

    limit: int
    after: Key | None
    key_of: Callable[[Item], Key]

    @property
    def wanted(self) -> int:
        """How many items to look for: one more than are shown tells whether there is another page."""
        return self.limit + 1

    def cut(self, found: Sequence[Item]) -> tuple[Sequence[Item], str | None]:
        """What of the `wanted` items is shown, and the cursor of the next page, None on the last one."""
        shown = found[: self.limit]
        return shown, self.cursor_behind(shown[-1]) if len(found) > self.limit else None

    def cursor_behind(self, item: Item) -> str:
        """The cursor of the page that begins behind an item."""
        return print_place(self.key_of(item), "cursor")


def read_page(key_of: Callable[[Item], Key], *types: type, default: int = DEFAULT_PAGE) -> Page[Item]:
    """The page that the query asks for, by keys of these types. Raises InvalidRequest."""
    limit = count_of("limit", default=default, most=MAX_PAGE)
    return Page(limit=limit, after=read_place("cursor", *types), key_of=key_of)


def read_place(name: str, *types: type) -> Key | None:
    """The key that a parameter holds, as `print_place` gave it, None where it is absent. Raises InvalidRequest."""
    cursor = request.args.get(name)
    return None if cursor is None else _parse(cursor, types, name)


def print_place(key: Key, name: str) -> str:
    """What the parameter of that name says to go on from there."""
    data = json.dumps([_plain(value) for value in key], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_macs(data, name)[0] + data).decode().rstrip("=")


def _scope(name: str) -> bytes:
    """Everything about a query that the cursor in a parameter is bound to."""
    filters = sorted((other, value) for other, value in request.args.items() if other not in {"limit", name})
    rule = request.url_rule.rule if request.url_rule else ""
    return json.dumps([str(current().account_id), rule, request.view_args, filters]).encode()


def _macs(data: bytes, name: str) -> list[bytes]:
    """By each of the keys: the first is what a cursor gets, any is what it may have."""
    keys: Sequence[bytes] = current_app.config[KEYS]
    text = b"cursor\0" + _scope(name) + b"\0" + data
    return [hmac.digest(key, text, "sha256")[:_MAC_BYTES] for key in keys]


def _parse(cursor: str, types: Sequence[type], name: str) -> Key:
    try:
        given = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest("Invalid cursor") from error
    mac, data = given[:_MAC_BYTES], given[_MAC_BYTES:]
    if not any(hmac.compare_digest(mac, own) for own in _macs(data, name)):
        raise InvalidRequest("Invalid cursor")
    values = json.loads(data)
    return tuple(_typed(value, type_) for value, type_ in zip(values, types, strict=True))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(microseconds=1)
    return value.hex if isinstance(value, uuid.UUID) else value


def _typed(value: Any, type_: type) -> Any:
    if type_ is datetime:
        return _EPOCH + timedelta(microseconds=value)
    return uuid.UUID(hex=value) if type_ is uuid.UUID else type_(value)
