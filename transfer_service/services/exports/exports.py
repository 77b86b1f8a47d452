"""Exports: all that an account has as one archive, made while it is sent; for a day it goes on where it broke off."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import repeat
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError

from transfer_service.db.database import run_again
from transfer_service.errors import AccountGone, BlobMissing, ReadFailed
from transfer_service.logs import tidying
from transfer_service.models.chat import Message
from transfer_service.models.exports import Export
from transfer_service.models.files import File, FileState, TrashedFile
from transfer_service.services.core import Core
from transfer_service.services.events import audit
from transfer_service.services.events.actions import Action
from transfer_service.services.exports import rows as export_rows
from transfer_service.services.exports.contents import Contents
from transfer_service.services.exports.drafting import ExportDraft
from transfer_service.services.exports.rows import TEXT_BYTES, ExportRecord
from transfer_service.services.exports.sources import AttachmentSource, FileSource, TextSource, unpack
from transfer_service.services.sharing.checksums import Checksums
from transfer_service.services.sharing.zip_body import ZipBody
from transfer_service.storage.bodies import BlobReader
from transfer_service.wire.ranges import Span
from transfer_service.wire.zip_layout import ZipMembers
from transfer_service.wire.zip_sections import SectionedZip

LIFE = timedelta(hours=24)
KEPT = 20
"""So many of an account can be gone on with: who makes one after the other fills no tables."""

_files, _trashed, _messages = File.__table__, TrashedFile.__table__, Message.__table__
_ids: Any = bindparam("ids", expanding=True)
_WHOLE = select(_files.c.account_id, _files.c.state).where(_files.c.id.in_(_ids))
_TRASHED = select(_trashed.c.account_id).where(_trashed.c.id.in_(_ids))
_ATTACHED = select(_messages.c.sender_id, _messages.c.filename).where(_messages.c.id.in_(_ids))


class ExportService:
    """Makes exports, finds them again, and opens them."""

    def __init__(self, core: Core, *, checksums: Checksums) -> None:
        self._core = core
        self._database = core.database
        self._now = core.now
        self._contents = Contents(core, checksums=checksums)

    def create(self, account_id: uuid.UUID, name: str) -> ExportRecord:
        """A new one, of all that the account has now; `name` is the account's.

        Raises ChecksumsPending while files from before are read through for the first time, NotFound, AccountGone.
        """
        export_id, now = uuid.uuid4(), self._now()
        try:
            with self._database.write_rows() as rows:
                export_rows.begin(rows, export_id, account_id, now=now, until=now + LIFE)
            draft = ExportDraft(self._database, export_id)
            self._contents.write(draft, account_id, now)
            made = self._finish(draft, ExportRecord(export_id, account_id, 0, 0, 0, now, now + LIFE), name)
        except BaseException as error:
            with tidying():
                export_rows.remove(self._database, export_id)
            if isinstance(error, IntegrityError):  # nothing can be added to an account that is gone
                raise AccountGone from error
            raise
        self._remove_older(made)
        return made

    @run_again
    def _finish(self, draft: ExportDraft, export: ExportRecord, name: str) -> ExportRecord:
        size, member_count, text_bytes = draft.finish()
        with self._database.write_rows() as rows:
            if not export_rows.finish(rows, export.id, size=size, member_count=member_count, text_bytes=text_bytes):
                raise AccountGone
            audit.record(rows, Action.ACCOUNT_EXPORTED, name, {"size": size}, at=self._now())
        return ExportRecord(
            export.id, export.account_id, size, member_count, text_bytes, export.created_at, export.expires_at
        )

    def _remove_older(self, made: ExportRecord) -> None:
        """Remove what is too old beside a new one, which may have been begun before all others: it is to be sent."""
        with self._database.read_rows() as rows:
            older = export_rows.older_than(rows, made.account_id, KEPT)
        for export_id in set(older) - {made.id}:
            export_rows.remove(self._database, export_id)

    def find(self, account_id: uuid.UUID, export_id: uuid.UUID) -> ExportRecord | None:
        """The account's export of that id, while it counts and all that is in it can be read."""
        with self._database.read_rows() as rows:
            export = export_rows.find(rows, export_id)
        if export is None or export.account_id != account_id or export.expires_at <= self._now():
            return None
        return export if all(self._is_readable(export, number) for number in self._numbers(export)) else None

    def _numbers(self, export: ExportRecord) -> range:
        with self._database.read_rows() as rows:
            return range(len(export_rows.find_places(rows, export.id)))

    def _is_readable(self, export: ExportRecord, number: int) -> bool:
        """Whether all in a section is still there. A file that has gone into the trash is."""
        with self._database.read_rows() as rows:
            members = export_rows.find_members(rows, export.id, number)
            if members is None:
                return False
            sources = [unpack(each) for each in members.sources()]
            file_ids = [each.file_id for each in sources if isinstance(each, FileSource)]
            message_ids = [each.message_id for each in sources if isinstance(each, AttachmentSource)]

            def count() -> tuple[int, int]:
                # By their ids alone: with the account in the condition SQLite would walk along all that is its.
                own = export.account_id
                whole = rows.execute(_WHOLE, {"ids": file_ids}).all()
                trashed = rows.execute(_TRASHED, {"ids": file_ids}).scalars().all()
                attached = rows.execute(_ATTACHED, {"ids": message_ids}).all()
                return (
                    sum(owner == own and state is FileState.COMPLETE for owner, state in whole) + trashed.count(own),
                    sum(sender == own and filename is not None for sender, filename in attached),
                )

            found = self._core.offload(count) if self._database.is_sqlite else count()
        return found == (len(file_ids), len(message_ids))

    def open(self, export: ExportRecord) -> ZipBody:
        """Its bytes, to be closed."""

        def load(number: int) -> ZipMembers:
            with self._database.read_rows() as rows:
                members = export_rows.find_members(rows, export.id, number)
            if members is None:
                raise ReadFailed
            return members

        with self._database.read_rows() as rows:
            places = export_rows.find_places(rows, export.id)
        layout = SectionedZip(places, export.member_count, load)
        return ZipBody(layout, lambda source: self._open_source(export, source), is_remote=self._core.store.is_remote)

    def _open_source(self, export: ExportRecord, packed: bytes) -> BlobReader:
        source = unpack(packed)
        if isinstance(source, FileSource):
            return self._core.store.open_reader(source.file_id)
        if isinstance(source, TextSource):
            return _TextReader(self._core, export, source.offset)
        named = select(_messages.c.filename).where(_messages.c.id == source.message_id)
        with self._database.read_rows() as rows:
            filename = rows.execute(named).scalar_one_or_none()
        if filename is None:
            raise BlobMissing
        return self._core.attachments.open_reader(f"{source.message_id}/{filename}")

    def remove_expired(self, *, dry_run: bool) -> Iterator[int]:
        """Remove those whose time is over, and what a kill has left of those that were made. They are rows only."""
        expired = select(Export.id).where(Export.expires_at <= self._now())
        for batch in self._database.batches(expired):
            for row in batch:
                if not dry_run:
                    export_rows.remove(self._database, row.id)
            yield from repeat(0, len(batch))


@dataclass(frozen=True, slots=True)
class _TextReader:
    """The texts of an export from an offset on, a piece at a time (the BlobReader of `storage.bodies`)."""

    core: Core
    export: ExportRecord
    offset: int
    is_made = False

    @property
    def size(self) -> int:
        """How many bytes come from there on."""
        return self.export.text_bytes - self.offset

    def blocks(self, span: Span) -> Iterator[bytes]:
        """The bytes of a span. Raises ReadFailed."""
        start, stop = self.offset + span.start, self.offset + span.stop
        while start < stop:
            number, skipped = divmod(start, TEXT_BYTES)
            with self.core.database.read_rows() as rows:
                piece = export_rows.find_text(rows, self.export.id, number)
            block = (piece or b"")[skipped : skipped + stop - start]
            if not block:
                raise ReadFailed
            yield block
            start += len(block)

    def read(self, start: int, size: int) -> bytes:
        """At most `size` bytes from `start` on."""
        return b"".join(self.blocks(Span(start, min(start + size, self.size))))

    def local(self, _span: Span) -> None:
        """They are rows."""

    def close(self) -> None:
        """Nothing is open."""
