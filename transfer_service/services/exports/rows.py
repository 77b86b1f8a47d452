"""The rows of exports."""

import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from transfer_service.db.database import Database, Executor, run_again
from transfer_service.db.prepared import PreparedSelect
from transfer_service.models.exports import Export, ExportSection, ExportText
from transfer_service.wire.zip_layout import ZipMembers
from transfer_service.wire.zip_sections import SectionPlace

TEXT_BYTES = 256 * 1024
"""The length of a piece of text, but for the last one."""
BATCH = 100
"""Of parts that are removed at once: they are large."""

_exports, _sections, _texts = Export.__table__, ExportSection.__table__, ExportText.__table__
_BY_ID = PreparedSelect(select(_exports).where(_exports.c.id == bindparam("export_id")))
_PLACES = (
    select(*(_sections.c[name] for name in SectionPlace._fields))
    .where(_sections.c.export_id == bindparam("export_id"))
    .order_by(_sections.c.number)
)
_MEMBERS = PreparedSelect(
    select(_sections.c.members).where(
        _sections.c.export_id == bindparam("export_id"), _sections.c.number == bindparam("number")
    )
)
_TEXT = PreparedSelect(
    select(_texts.c.data).where(_texts.c.export_id == bindparam("export_id"), _texts.c.number == bindparam("number"))
)


@dataclass(frozen=True, slots=True)
class ExportRecord:
    """An export that is whole."""

    id: uuid.UUID
    account_id: uuid.UUID
    size: int
    member_count: int
    text_bytes: int
    created_at: datetime
    expires_at: datetime


def find(rows: Executor, export_id: uuid.UUID) -> ExportRecord | None:
    """The export of that id, expired or not; None for one that is not whole."""
    row = _BY_ID.find(rows, {"export_id": export_id})
    return ExportRecord(*row) if row is not None and row.size is not None else None


def find_places(rows: Executor, export_id: uuid.UUID) -> list[SectionPlace]:
    """Where its sections are."""
    return [SectionPlace(*row) for row in rows.execute(_PLACES, {"export_id": export_id})]


def find_members(rows: Executor, export_id: uuid.UUID, number: int) -> ZipMembers | None:
    """What is in a section; None where the export is gone."""
    row = _MEMBERS.find(rows, {"export_id": export_id, "number": number})
    return ZipMembers.unpack(zlib.decompress(row.members)) if row is not None else None


def find_text(rows: Executor, export_id: uuid.UUID, number: int) -> bytes | None:
    """A piece of its texts; None where the export is gone."""
    row = _TEXT.find(rows, {"export_id": export_id, "number": number})
    return zlib.decompress(row.data) if row is not None else None


def begin(rows: Executor, export_id: uuid.UUID, account_id: uuid.UUID, *, now: datetime, until: datetime) -> None:
    """Insert one of which nothing is known yet."""
    own = {"id": export_id, "account_id": account_id, "created_at": now, "expires_at": until}
    rows.execute(insert(_exports), {**own, "size": None, "member_count": 0, "text_bytes": 0})


def add_section(rows: Executor, export_id: uuid.UUID, number: int, place: SectionPlace, members: ZipMembers) -> None:
    """Insert a section."""
    packed = zlib.compress(members.pack(), 1)
    rows.execute(insert(_sections), {"export_id": export_id, "number": number, **place._asdict(), "members": packed})


def add_text(rows: Executor, export_id: uuid.UUID, number: int, data: bytes) -> None:
    """Insert a piece of text."""
    rows.execute(insert(_texts), {"export_id": export_id, "number": number, "data": zlib.compress(data, 1)})


def finish(rows: Executor, export_id: uuid.UUID, *, size: int, member_count: int, text_bytes: int) -> bool:
    """Let it be whole. False where it is gone."""
    values = {"size": size, "member_count": member_count, "text_bytes": text_bytes}
    finished = update(_exports).where(_exports.c.id == export_id).values(values).returning(_exports.c.id)
    return rows.execute(finished).first() is not None


def older_than(rows: Executor, account_id: uuid.UUID, newest: int) -> Sequence[uuid.UUID]:
    """The account's whole exports but so many of the newest. Those that are being made are not old yet."""
    of_account = select(_exports.c.id).where(_exports.c.account_id == account_id, _exports.c.size.is_not(None))
    older = of_account.order_by(_exports.c.created_at.desc(), _exports.c.id.desc()).offset(newest)
    return rows.execute(older).scalars().all()


def remove(database: Database, export_id: uuid.UUID) -> None:
    """Remove an export, in short transactions, the export itself first: from then on nobody finds it."""

    @run_again
    def forget() -> None:
        with database.write_rows() as rows:
            rows.execute(update(_exports).where(_exports.c.id == export_id).values(size=None))

    @run_again
    def remove_some(table: Any) -> int:
        key = (table.c.export_id == export_id, table.c.number)
        some = select(key[1]).where(key[0]).limit(BATCH)
        with database.write_rows() as rows:
            return rows.execute(delete(table).where(key[0], key[1].in_(some))).rowcount

    forget()
    for table in (_sections, _texts):
        while remove_some(table) >= BATCH:
            pass
    with database.write_rows() as rows:
        rows.execute(delete(_exports).where(_exports.c.id == export_id))
