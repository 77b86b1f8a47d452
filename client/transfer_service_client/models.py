"""What the service tells, as values. Times are aware, sizes are bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from transfer_service_client.errors import as_expected


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
                file_id=fields["file_id"],
                name=fields["filename"],
                size=fields["total_bytes"],
                content_type=fields["content_type"],
                sha256=fields["sha256"],
                is_complete=fields["status"] == "complete" and fields["sha256"] is not None,
                created_at=parse_instant(fields["created_at"]),
                updated_at=parse_instant(fields["updated_at"]),
            )


@dataclass(frozen=True)
class Folder:
    """A folder of the account."""

    path: str
    created_at: datetime


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


def parse_instant(text: str) -> datetime:
    """An instant as the service writes it (RFC 3339, UTC)."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
