"""What the service tells, as values. Times are aware, sizes are bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, datetime
from typing import Any

from transfer_service_client.errors import as_expected

_MOST = 2**63 - 1


@dataclass(frozen=True)
class File:
    """A file of the account; `sha256` (hex) is None until it is whole."""

    file_id: str
    name: str
    size: int | None
    content_type: str
    sha256: str | None
    is_complete: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "File":
        """The file in an answer of `/api/files`. Raises TransferError where it is none."""
        with as_expected():
            return cls(
                file_id=text_of(fields["file_id"]),
                name=text_of(fields["filename"]),
                size=None if fields["total_bytes"] is None else count_of(fields["total_bytes"]),
                content_type=text_of(fields["content_type"]),
                sha256=None if fields["sha256"] is None else text_of(fields["sha256"]),
                is_complete=fields["status"] == "complete" and fields["sha256"] is not None,
                created_at=parse_instant(fields["created_at"]),
                updated_at=parse_instant(fields["updated_at"]),
            )


@dataclass(frozen=True)
class Folder:
    """A folder of the account."""

    path: str
    created_at: datetime

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Folder":
        """The folder in a listing. Raises TransferError where it is none."""
        with as_expected():
            return cls(text_of(fields["path"]), parse_instant(fields["created_at"]))


@dataclass(frozen=True)
class Listing:
    """What lies directly in a folder."""

    folders: Sequence[Folder]
    files: Sequence[File]


@dataclass(frozen=True)
class Account:
    """Who is signed in; without a limit `quota_bytes` is None."""

    account_id: str
    name: str
    is_admin: bool
    used_bytes: int
    quota_bytes: int | None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Account":
        """The account in an answer of `/auth/me`. Raises TransferError where it is none."""
        with as_expected():
            quota = None if fields["quota_bytes"] is None else count_of(fields["quota_bytes"])
            is_admin, used_bytes = bool(fields["is_admin"]), count_of(fields["used_bytes"])
            return cls(text_of(fields["id"]), text_of(fields["name"]), is_admin, used_bytes, quota)


def parse_instant(text: str) -> datetime:
    """An instant as the service writes it (RFC 3339, UTC).

    Raises ValueError for others, and where another zone has none for it.
    """
    instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if instant.tzinfo is None or not MINYEAR < instant.year < MAXYEAR:
        raise ValueError(text)
    return instant


def text_of(value: object) -> str:
    """A text in an answer. Raises TypeError where it is something else."""
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def count_of(value: object) -> int:
    """A number of bytes or of anything else in an answer. Raises TypeError, ValueError where it is something else."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(value)
    if not 0 <= value <= _MOST:
        raise ValueError(value)
    return value
