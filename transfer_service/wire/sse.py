"""Server-sent events (WHATWG HTML section 9.2): formatting only."""

import json
import re
from collections.abc import Mapping

HEARTBEAT = b":\n\n"
"""A comment: shows that the connection lives, and is no event."""

_NO_ID = re.compile(r"[\r\n\0]")


def format_event(
    data: Mapping[str, object], *, event_id: str | None = None, retry_milliseconds: int | None = None
) -> bytes:
    """One event whose data is compact JSON on one line.

    `retry_milliseconds` is how long the client waits before it connects again. Raises ValueError for an id that would
    break its line, or that clients ignore.
    """
    fields = []
    if retry_milliseconds is not None:
        fields.append(f"retry: {retry_milliseconds}")
    if event_id is not None:
        if _NO_ID.search(event_id):
            raise ValueError("an event's id has no line break and no NUL")
        fields.append(f"id: {event_id}")
    # ASCII only: a line break inside a string is escaped, and a lone surrogate is no failure.
    fields.append(f"data: {json.dumps(data, separators=(',', ':'), allow_nan=False)}")
    return "".join(f"{field}\n" for field in (*fields, "")).encode()
