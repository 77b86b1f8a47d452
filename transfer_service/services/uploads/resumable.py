"""Uploads that any client can resume: one append after the other, from where the last one ended.

Offsets are true and never go back (`appends`); a finished upload is a file like any other (`finishing`).
"""

import hashlib
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from transfer_service.db.database import run_again
from transfer_service.errors import (
    DigestMismatch,
    NameTaken,
    QuotaExceeded,
    RangeBusy,
    ReadFailed,
    StorageFull,
    TransferError,
    UploadEnded,
)
from transfer_service.models.uploads import UploadKind, UploadProtocol
from transfer_service.services.body_writer import read_all
from transfer_service.services.core import Core
from transfer_service.services.events import facts
from transfer_service.services.file_digest import FileDigest, digest_of
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.files import FileService, remove_row
from transfer_service.services.files.naming import check_name
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.files.small_files import SMALL_BYTES, SmallFiles
from transfer_service.services.uploads import rows as resumable_rows
from transfer_service.services.uploads.appends import AppendBody, Appends, Piece
from transfer_service.services.uploads.finishing import Finishing, UploadCompletion
from transfer_service.services.uploads.lookup import Displacement, UploadLookup
from transfer_service.services.uploads.rows import UploadRecord
from transfer_service.wire.digests import parse_digests
from transfer_service.wire.media_types import stored_media_type


@dataclass(frozen=True, slots=True)
class UploadDraft:
    """What a client says of an upload before its bytes. Without a `name` its id is its name, in `folder`."""

    protocol: UploadProtocol
    name: str | None
    media_type: str | None
    length: int | None
    overwrite: bool
    ends: bool = True
    kind: UploadKind = UploadKind.WHOLE
    upload_metadata: str | None = None
    concat_header: str | None = None
    repr_digest: str | None = None
    origin_id: uuid.UUID | None = None
    folder: str = ""


class ResumableUploadService:
    """Begins, continues and cancels uploads, and tells how far they are."""

    def __init__(
        self,
        core: Core,
        *,
        files: FileService,
        small_files: SmallFiles,
        appends: Appends,
        completion: UploadCompletion,
    ) -> None:
        self._database = core.database
        self._store = core.store
        self._space = core.space
        self._files = files
        self._small_files = small_files
        self._lookup = UploadLookup(core)
        self._displacement = Displacement(claims=core.store.claims)
        self._appends = appends
        self._completion = completion
        self._finishing = Finishing(completion=completion)
        self._now = core.now

    def begin(self, account_id: uuid.UUID, draft: UploadDraft, *, part_ids: Sequence[uuid.UUID] = ()) -> UploadRecord:
        """A new upload; one of no bytes that ends there is finished at once.

        Raises TooLarge, InvalidRequest, DigestMismatch.
        """
        self._space.check_size(draft.length or 0)
        if draft.origin_id is not None and draft.kind is not UploadKind.FINAL:
            self._small_files.check_room(account_id, draft.length or 0, origin_id=draft.origin_id)
        if draft.ends and draft.length == 0:  # or an upload would be left that nobody has heard of
            _verified(memoryview(b""), draft.repr_digest)
        reserved = 0 if part_ids else draft.length or 0
        # Parts of no bytes miss none. Only when they are spent is the final upload whole, and its length known.
        upload, file = self._new(account_id, draft, length=draft.length or None if part_ids else draft.length)
        file = replace(file, reserved_bytes=reserved)
        upload = replace(upload, file=file)
        self._add(upload, file, part_ids)
        return self._finishing.conclude(upload)

    @run_again
    def _add(self, upload: UploadRecord, file: FileRecord, part_ids: Sequence[uuid.UUID]) -> None:
        with self._database.write_rows() as rows:
            check_name(rows, file.account_id, file.name, overwrite=upload.overwrite)
            resumable_rows.add(rows, upload, file)
            if part_ids:
                resumable_rows.add_parts(rows, upload.id, part_ids)
            self._space.begin(rows, file, is_part=upload.kind is UploadKind.PARTIAL)

    def begin_whole(self, account_id: uuid.UUID, draft: UploadDraft, body: AppendBody) -> UploadRecord | None:
        """A new upload that ends with its first bytes, finished in one step; None where they have not all arrived yet.

        Raises TooLarge, ChecksumMismatch, DigestMismatch, StorageFull; then there is no upload.
        """
        if draft.kind is not UploadKind.WHOLE or draft.length is None or body.announced != draft.length:
            return None
        self._small_files.check_room(account_id, draft.length, body, origin_id=draft.origin_id)
        if not body.has_arrived(SMALL_BYTES):
            return None
        data = read_all(body, draft.length)
        body.verify()
        digest = _verified(data, draft.repr_digest)
        upload, file = self._new(account_id, replace(draft, ends=True), length=draft.length)
        file, _ = self._small_files.store(
            file,
            [data],
            digest,
            overwrite=draft.overwrite,
            add_more=lambda rows, _file: resumable_rows.add_to(rows, upload),
        )
        return self._completion.told(replace(upload, file=file))

    def _new(self, account_id: uuid.UUID, draft: UploadDraft, *, length: int | None) -> tuple[UploadRecord, FileRecord]:
        """An upload of which nothing has arrived, and its file."""
        now, upload_id = self._now(), uuid.uuid4()
        name = draft.name or (f"{draft.folder}/{upload_id}" if draft.folder else str(upload_id))
        file = FileRecord(
            id=upload_id,
            account_id=account_id,
            name=name,
            holds_name=False,
            media_type=stored_media_type(draft.media_type, name),
            created_at=now,
            updated_at=now,
            length=length,
            length_declared=length is not None,
            origin_id=draft.origin_id,
        )
        upload = UploadRecord(
            file=file,
            rested_since=now,
            id=upload_id,
            account_id=account_id,
            protocol=draft.protocol,
            kind=draft.kind,
            upload_metadata=draft.upload_metadata,
            concat_header=draft.concat_header,
            repr_digest=draft.repr_digest,
            overwrite=draft.overwrite,
            ends=draft.ends,
            created_at=now,
            ended_at=None,
            origin_id=draft.origin_id,
        )
        return upload, file

    def get(self, account_id: uuid.UUID, upload_id: uuid.UUID) -> UploadRecord:
        """The upload, finished if that is due. Raises NotFound, UploadEnded."""
        return self._finished(self._lookup.get(account_id, upload_id))

    def conclude(self, account_id: uuid.UUID, upload_id: uuid.UUID) -> UploadRecord:
        """Like `get`, for who asked for the step that is due: raises what it raises too, StorageFull and the like."""
        return self._finishing.conclude(self._lookup.get(account_id, upload_id))

    def look(self, account_id: uuid.UUID, upload_id: uuid.UUID) -> UploadRecord:
        """Like `get`, once the append that is still running has ended and all it brought counts.

        So the offset is the one that the next append must begin at. Raises RangeBusy where it cannot be told in time.
        """
        upload = self._lookup.get(account_id, upload_id)
        if upload.is_receiving and upload.kind is not UploadKind.FINAL and not self._database.is_read_only:
            self._displacement.end_append(upload_id)
            upload = self._lookup.get(account_id, upload_id)
        return self._finished(upload)

    def origin_of(self, upload_id: uuid.UUID) -> uuid.UUID | None:
        """The key or link by which an upload has come, ended or not."""
        found = self._lookup.find(upload_id)
        return found.origin_id if found else None

    def is_appending(self, upload_id: uuid.UUID) -> bool:
        """Whether any process appends to the upload: its offset is no promise then."""
        return self._displacement.is_appending(upload_id)

    def append(self, account_id: uuid.UUID, upload_id: uuid.UUID, piece: Piece, body: AppendBody) -> UploadRecord:
        """Store bytes at the end of an upload, and finish it if they are the last. What arrived counts, on errors too.

        Raises NotFound, UploadEnded, UploadFinished, Forbidden, OffsetMismatch, InconsistentLength, TooLarge,
        RangeBusy, StorageFull, ChecksumMismatch, DigestMismatch, and what the body raises.
        """
        with self._store.claims.in_use(upload_id):
            upload = self._completion.resolve_doubt(self._lookup.get(account_id, upload_id))
            upload = self._appends.append(upload, piece, body)
        for final in self._completion.finals_waiting_for(upload):
            with suppress(TransferError):  # the part is whole; whoever asks for the final hears of it
                self._finishing.conclude(final)
        return self._finishing.conclude(upload)

    def expires_at(self, upload: UploadRecord) -> datetime | None:
        """When an unfinished upload expires unless it goes on."""
        return self._lookup.expires_at(upload)

    def seconds_left(self, upload: UploadRecord) -> int | None:
        """How long an unfinished upload may rest from now on."""
        return self._lookup.seconds_left(upload)

    def cancel(self, account_id: uuid.UUID, upload_id: uuid.UUID) -> None:
        """End an upload: free what is unfinished, forget what is finished. Raises NotFound, UploadEnded."""
        upload = self._completion.resolve_doubt(self._lookup.get(account_id, upload_id))
        if upload.is_finished:
            self._end(upload)
            return
        with suppress(RangeBusy):  # one that is stuck ends when it finds its blob gone
            self._displacement.end_append(upload_id)
        try:
            is_removed = self._end(upload)
        except StorageFull:  # no room for the commit: unlink the bytes first, they go in any case
            if self._store.is_remote:  # where they are, is room
                raise
            self._files.discard_blob(upload_id)
            is_removed = self._end(upload)
        if is_removed:
            self._files.discard_blob(upload_id)

    @run_again
    def _end(self, upload: UploadRecord) -> bool:
        """Turn an upload into a tombstone. Whether its file went too: one that was finished meanwhile stays."""
        with self._database.write_rows(durable=True) as rows:  # or a power loss brings the file back without its bytes
            file = file_rows.lock_to_name(rows, upload.id)
            if file is None:
                raise UploadEnded
            resumable_rows.end(rows, [upload.id], now=self._now())
            if not file.is_complete:
                remove_row(rows, file, self._space)
                facts.upload_cancelled(rows, file, at=self._now())
            return not file.is_complete

    def _finished(self, upload: UploadRecord) -> UploadRecord:
        """The upload after the step that is due; as it is where that step fails or takes long.

        Whoever only looks did not ask for the step, so its failure is not theirs: they are told how things are now.
        """
        try:
            return self._finishing.finish(upload)
        except (DigestMismatch, NameTaken, QuotaExceeded, ReadFailed, StorageFull):
            return upload


def _verified(data: memoryview, repr_digest: str | None) -> FileDigest:
    """Their digest, if the bytes are what was promised. Raises DigestMismatch."""
    promised = parse_digests(repr_digest, field="Repr-Digest") if repr_digest else {}
    for algorithm, expected in promised.items():
        if hashlib.new(algorithm, data, usedforsecurity=False).digest() != expected:
            raise DigestMismatch
    return digest_of([data])
