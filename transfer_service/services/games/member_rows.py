"""Prepared statements on the members of archives."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

from sqlalchemy import CursorResult, and_, bindparam, case, delete, insert, or_, select

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect
from transfer_service.models.games import ArchiveMember, DownloadState, RemoteDownload
from transfer_service.storage.zip_directory import IndexedMember

Hold: TypeAlias = Callable[[Executor], None]
"""Makes sure, until the transaction ends, that the caller still has the right to write. Raises where not."""

ROWS_A_TRANSACTION = 2000
MAX_DOWNLOADS = 50
"""So many completed downloads are looked at for one that still has its archive."""

_members = ArchiveMember.__table__
_downloads = RemoteDownload.__table__
_archive_columns = (_downloads.c.sha256, _downloads.c.total_bytes, _downloads.c.finished_at, _downloads.c.member_count)
_place = [
    _members.c.name_digest, _members.c.header_offset, _members.c.compressed_bytes, _members.c.length, _members.c.crc32,
    _members.c.method, _members.c.flaw,
]  # fmt: skip
_newer = _downloads.alias("newer")
# An archive that is being replaced, because the catalogue has changed, belongs to neither job until that ends.
_is_replaced = (
    select(_newer.c.id)
    .where(_newer.c.game_data_id == _downloads.c.game_data_id, _newer.c.state == DownloadState.VERIFYING)
    .exists()
)
_is_complete = and_(_downloads.c.state == DownloadState.COMPLETED, _downloads.c.removed_at.is_(None), ~_is_replaced)
_newest_first = (_downloads.c.finished_at.desc(), _downloads.c.id.desc())

_IN_GAME = PreparedSelect(
    select(_downloads.c.game_data_id, *_archive_columns, *_place)
    .select_from(
        _downloads.outerjoin(
            _members,
            and_(
                _members.c.game_data_id == _downloads.c.game_data_id,
                _members.c.name_digest == bindparam("name_digest"),
            ),
        )
    )
    .where(_downloads.c.game_id == bindparam("game_id"), _is_complete)
    .order_by(*_newest_first)
    .limit(MAX_DOWNLOADS)
)
_CANDIDATES = 6
_digests = [bindparam(f"digest_{place}", type_=_members.c.name_digest.type) for place in range(_CANDIDATES)]
_ANYWHERE = PreparedSelect(
    select(_downloads.c.game_data_id, *_archive_columns, *_place)
    .select_from(_members.join(_downloads, _members.c.game_data_id == _downloads.c.game_data_id))
    .where(or_(*(_members.c.name_digest == digest for digest in _digests)), _is_complete)
    .order_by(
        *_newest_first, case(*((_members.c.name_digest == digest, place) for place, digest in enumerate(_digests)))
    )
    .limit(MAX_DOWNLOADS)
)
_of_archive = _members.c.game_data_id == bindparam("of_archive")
_DELETE_SOME = delete(_members).where(
    _of_archive,
    _members.c.name_digest.in_(select(_members.c.name_digest).where(_of_archive).limit(bindparam("limit"))),
)
_DELETE_ONE = delete(_members).where(_of_archive, _members.c.name_digest == bindparam("of_digest"))
_INSERT = insert(_members)


def find_in_game(rows: Executor, game_id: uuid.UUID, digest: bytes) -> Sequence[Any]:
    """The completed downloads of a game, newest first, each with that member, whose columns are None without it."""
    return _IN_GAME.find_all(rows, {"game_id": game_id, "name_digest": digest})


def find_anywhere(rows: Executor, digests: Sequence[bytes]) -> Sequence[Any]:
    """The members by any of six names, those of the newest download first, and of one download in the names' order."""
    return _ANYWHERE.find_all(rows, {f"digest_{place}": digest for place, digest in enumerate(digests)})


def add(rows: Executor, game_data_id: int, members: Sequence[IndexedMember]) -> None:
    """Add members to the index. One that another run has added meanwhile is replaced."""
    rows.execute(_DELETE_ONE, [{"of_archive": game_data_id, "of_digest": each.name_digest} for each in members])
    rows.execute(_INSERT, [{"game_data_id": game_data_id, **each._asdict()} for each in members])


def delete_some(rows: Executor, game_data_id: int, *, limit: int) -> int:
    """Remove at most so many members of an archive. How many it was."""
    deleted = cast(CursorResult[Any], rows.execute(_DELETE_SOME, {"of_archive": game_data_id, "limit": limit}))
    return deleted.rowcount
