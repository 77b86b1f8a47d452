"""The games catalogue, and remote downloads."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from transfer_service.models.base import Base, state_type
from transfer_service.models.files import folded


class DownloadState(StrEnum):
    """Where a remote download is. The last three are final."""

    PENDING = "pending"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    ERROR = "error"
    CANCELLED = "cancelled"

    @property
    def is_active(self) -> bool:
        """Whether the job still holds its slot."""
        return bool(_NEXT[self])

    def may_become(self, other: "DownloadState") -> bool:
        """Whether a job goes from this state to the other in one step."""
        return other in _NEXT[self]


_ENDS = {DownloadState.ERROR, DownloadState.CANCELLED}
_NEXT: dict[DownloadState, set[DownloadState]] = {
    DownloadState.PENDING: {DownloadState.DOWNLOADING, *_ENDS},
    DownloadState.DOWNLOADING: {DownloadState.VERIFYING, *_ENDS},
    # Back again where the digest is wrong and another source is left.
    DownloadState.VERIFYING: {DownloadState.DOWNLOADING, DownloadState.COMPLETED, *_ENDS},
    DownloadState.COMPLETED: set(),
    DownloadState.ERROR: set(),
    DownloadState.CANCELLED: set(),
}
_SERIAL = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by plain integers only

ACTIVE_STATES = frozenset(state for state in DownloadState if state.is_active)


_TITLE_KEY_CHARACTERS, _RELEASE_KEY_CHARACTERS = 200, 40  # what an index of PostgreSQL can take


def game_keys(
    title: str, developer: str | None = None, publisher: str | None = None, release_date: str | None = None
) -> dict[str, str | None]:
    """The columns by which a game is sorted and found, which follow others of it."""
    return {
        "title_key": folded(title)[:_TITLE_KEY_CHARACTERS],
        "release_key": release_date[:_RELEASE_KEY_CHARACTERS] if release_date else None,
        "search_text": "\n".join(folded(each) for each in (title, developer, publisher) if each),
    }


def _key(name: str) -> Any:
    def make(context: DefaultExecutionContext) -> str | None:
        given: dict[str, Any] = context.get_current_parameters()  # type: ignore[no-untyped-call] # SQLAlchemy's
        return game_keys(*(given.get(each) for each in ("title", "developer", "publisher", "release_date")))[name]  # type: ignore[arg-type]

    return make


class Game(Base):
    """A game of the catalogue. Null is what the catalogue does not tell.

    `title_key` and `release_key` are its beginnings that lists are sorted by, `search_text` has a line for everything
    that is searched (`game_keys`); `added_at` is the latest date of its archives.
    """

    __tablename__ = "games"
    __table_args__ = (
        Index("ix_games_title_key_id", "title_key", "id"),
        Index("ix_games_release_key_id", "release_key", "id"),
        Index("ix_games_added_at_id", "added_at", "id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(1000))
    platform: Mapped[str | None] = mapped_column(String(1000))
    developer: Mapped[str | None] = mapped_column(String(1000))
    publisher: Mapped[str | None] = mapped_column(String(1000))
    release_date: Mapped[str | None] = mapped_column(String(1000))
    description: Mapped[str | None] = mapped_column(Text)
    launch_command: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    title_key: Mapped[str] = mapped_column(
        String(_TITLE_KEY_CHARACTERS).with_variant(String(_TITLE_KEY_CHARACTERS, collation="C"), "postgresql"),
        default=_key("title_key"),
        server_default=text("''"),
    )
    release_key: Mapped[str | None] = mapped_column(
        String(_RELEASE_KEY_CHARACTERS).with_variant(String(_RELEASE_KEY_CHARACTERS, collation="C"), "postgresql"),
        default=_key("release_key"),
    )
    search_text: Mapped[str] = mapped_column(Text, default=_key("search_text"), server_default=text("''"))
    added_at: Mapped[datetime | None]


class GameData(Base):
    """One archive of a game, as the catalogue describes it. `size` in bytes, `sha256` in lower-case hexadecimal."""

    __tablename__ = "game_data"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    game_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("games.id"), index=True)
    title: Mapped[str] = mapped_column(String(1000))
    added_at: Mapped[datetime]
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]


class RemoteDownload(Base):
    """A job: the one truth about a remote download, whatever the queue believes. Later jobs have higher ids.

    An active job holds a slot, whose number is unique, and its game (`active_game_id`), unique too: so the database
    itself keeps the limits. `lease_owner` is the run that works on it, until `lease_until`. `sha256` and `total_bytes`
    are what the catalogue said at the start; `source_index` and `validator` say where the bytes of its part come from;
    `member_count` is null where a completed archive is no readable zip. `removed_at` tells when the archive that it
    completed was removed on request: then it stands for no bytes any more.
    """

    __tablename__ = "remote_downloads"
    __table_args__ = (
        Index("ix_remote_downloads_game_id_id", "game_id", "id"),
        Index("ix_remote_downloads_game_data_id_state", "game_data_id", "state"),
        Index(
            "ix_remote_downloads_finished_at", "finished_at",
            sqlite_where=text("state = 'completed'"), postgresql_where=text("state = 'completed'"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(_SERIAL, primary_key=True)
    game_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("games.id"))
    game_data_id: Mapped[int] = mapped_column(ForeignKey("game_data.id"))
    account_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="SET NULL"))
    username: Mapped[str] = mapped_column(String(255))
    ip_address: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[DownloadState] = mapped_column(state_type(DownloadState))
    slot: Mapped[int | None] = mapped_column(unique=True)
    active_game_id: Mapped[uuid.UUID | None] = mapped_column(unique=True)
    sha256: Mapped[str] = mapped_column(String(64))
    total_bytes: Mapped[int]
    bytes_downloaded: Mapped[int] = mapped_column(default=0)
    speed: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)
    source_index: Mapped[int] = mapped_column(default=0)
    validator: Mapped[str | None] = mapped_column(Text)
    member_count: Mapped[int | None]
    lease_owner: Mapped[uuid.UUID | None]
    lease_until: Mapped[datetime | None]
    started_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


class ArchiveMember(Base):
    """One member of a verified archive, found by the digest of its name: what must be known to send its bytes.

    `flaw` is a `storage.zip_directory.Flaw` where it must not be sent.
    """

    __tablename__ = "archive_members"
    __table_args__ = (Index("ix_archive_members_name_digest", "name_digest"), {"sqlite_with_rowid": False})

    game_data_id: Mapped[int] = mapped_column(ForeignKey("game_data.id"), primary_key=True, autoincrement=False)
    name_digest: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    header_offset: Mapped[int]
    compressed_bytes: Mapped[int]
    length: Mapped[int]
    crc32: Mapped[int]
    method: Mapped[int]
    flaw: Mapped[str | None] = mapped_column(String(16))
