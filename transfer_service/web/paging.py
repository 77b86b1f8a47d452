"""Lists that come in pages: `?limit=` and `?cursor=`, and the `next_cursor` of the answer.

A cursor holds where its page ended, as the sort keys of the last item, and counts for the query that gave it: for the
same account, route and parameters but `limit`. All of that is under an HMAC, so what comes back is what was given.
"""

import base64
import binascii
import hmac
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from flask import current_app, request

from transfer_service.errors import InvalidRequest
from transfer_service.web.current_account import current
from transfer_service.web.query import count_of

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
        return shown, _format(self.key_of(shown[-1])) if len(found) > self.limit else None


def read_page(key_of: Callable[[Item], Key], *types: type, default: int = DEFAULT_PAGE) -> Page[Item]:
    """The page that the query asks for, by keys of these types. Raises InvalidRequest."""
    limit = count_of("limit", default=default, most=MAX_PAGE)
    cursor = request.args.get("cursor")
    return Page(limit=limit, after=None if cursor is None else _parse(cursor, types), key_of=key_of)


def _scope() -> bytes:
    """Everything about a query that a cursor is bound to."""
    filters = sorted((name, value) for name, value in request.args.items() if name not in PAGING)
    rule = request.url_rule.rule if request.url_rule else ""
    return json.dumps([str(current().account_id), rule, request.view_args, filters]).encode()


def _mac(data: bytes) -> bytes:
    key: bytes = current_app.config["JWT_SECRET_KEY"]
    return hmac.digest(key, b"cursor\0" + _scope() + b"\0" + data, "sha256")[:_MAC_BYTES]


def _format(key: Key) -> str:
    data = json.dumps([_plain(value) for value in key], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_mac(data) + data).decode().rstrip("=")


def _parse(cursor: str, types: Sequence[type]) -> Key:
    try:
        given = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest("Invalid cursor") from error
    mac, data = given[:_MAC_BYTES], given[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(data)):
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
