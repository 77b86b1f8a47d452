"""What a table holds, as one number: the same on every database, whatever types it keeps values in."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, select

BUFFERED_ROWS = 1000
_MODULUS = 1 << 256


@dataclass(frozen=True, slots=True)
class TableDigest:
    """How many rows, and the sum of their SHA-256: rows have no order, and databases sort texts differently."""

    rows: int
    total: int


def digest_of(connection: Connection, table: Table) -> TableDigest:
    """Read a whole table, some rows at a time."""
    streaming = {"stream_results": True, "max_row_buffer": BUFFERED_ROWS}
    rows = total = 0
    with connection.execute(select(table), execution_options=streaming) as result:
        for batch in result.partitions(BUFFERED_ROWS):
            rows += len(batch)
            for row in batch:
                line = json.dumps([as_plain(value) for value in row], sort_keys=True).encode()
                total += int.from_bytes(hashlib.sha256(line).digest())
    return TableDigest(rows, total % _MODULUS)


def as_plain(value: Any) -> Any:
    """A value as JSON has it, so that those of different types never look alike."""
    match value:
        case uuid.UUID():
            return {"uuid": value.hex}
        case datetime():
            return {"at": value.astimezone(UTC).isoformat()}
        case bytes() | memoryview():
            return {"bytes": bytes(value).hex()}
        case dict() | list():
            return {"json": value}
        case _:
            return value


def from_plain(value: Any) -> Any:
    """The value that `as_plain` was given."""
    match value:
        case {"uuid": text}:
            return uuid.UUID(text)
        case {"at": text}:
            return datetime.fromisoformat(text)
        case {"bytes": text}:
            return bytes.fromhex(text)
        case {"json": inner}:
            return inner
        case _:
            return value
