"""Putting a final upload together from its parts (tus concatenation), as soon as all of them are whole.

The parts' bytes are copied within the kernel; then, in one transaction, they count as the final upload's and the parts
are spent. So a crash leaves either parts from which it is done again or a final upload that lacks nothing.
"""

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from transfer_service.db.database import run_again
from transfer_service.errors import BlobMissing, InvalidRequest, RangeBusy, UploadEnded
from transfer_service.logs import tidying
from transfer_service.models.uploads import UploadKind
from transfer_service.services.core import Core
from transfer_service.services.files import received_ranges as intervals
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.files import FileService, remove_row
from transfer_service.services.steps import ANSWER_SECONDS
from transfer_service.services.uploads import rows as resumable_rows
from transfer_service.services.uploads.rows import UploadRecord
from transfer_service.storage.blobs import END, BlobWriter
from transfer_service.wire.ranges import Span

STEP_BYTES = 64 * 1024 * 1024
MAX_FINALS = 16  # that want one part, of which one can have it


class Concatenation:
    """Knows which parts may become a whole, and makes it of them."""

    def __init__(self, core: Core, *, files: FileService) -> None:
        self._database = core.database
        self._store = core.store
        self._space = core.space
        self._files = files
        self._now = core.now
        self._durability = core.durability

    def check_parts(
        self, account_id: uuid.UUID, part_ids: Sequence[uuid.UUID], *, link_id: uuid.UUID | None = None
    ) -> int | None:
        """The length that the parts have together, None while one of them does not know its own.

        Raises InvalidRequest where one is unknown, spent, named twice or no partial upload of the account, or of the
        link by which the request comes.
        """
        with self._database.read_rows() as rows:
            parts = [resumable_rows.find(rows, part_id) for part_id in part_ids]
            others = max((len(resumable_rows.finals_with(rows, part_id)) for part_id in part_ids), default=0)
        if others >= MAX_FINALS:
            raise InvalidRequest("Too many final uploads want the same part")
        lengths: list[int | None] = []
        for part in parts:
            is_own = part is not None and part.account_id == account_id and link_id in {None, part.origin_id}
            if part is None or not is_own or part.kind is not UploadKind.PARTIAL or part.has_ended:
                raise InvalidRequest("Upload-Concat names what is no partial upload")
            lengths.append(part.length)
        if len(set(part_ids)) != len(part_ids):
            raise InvalidRequest("Upload-Concat names an upload twice")
        known = [length for length in lengths if length is not None]
        total = sum(known)
        self._space.check_size(total)
        return total if len(known) == len(lengths) else None

    def find_repeated(
        self, account_id: uuid.UUID, concat_header: str, *, link_id: uuid.UUID | None = None
    ) -> UploadRecord | None:
        """The final upload that the same request has made before, by the same link: its answer may have been lost."""
        with self._database.read_rows() as rows:
            found = resumable_rows.find_final(rows, account_id, concat_header)
        is_own = found is not None and link_id in {None, found.origin_id}
        return found if found is not None and is_own and not found.has_ended else None

    def assemble(self, final: UploadRecord) -> UploadRecord:
        """Put the final upload together if its parts are whole. What it is then.

        Whoever is at it is waited for, and followed if he fails or dies; after ANSWER_SECONDS it is told as it is.

        Raises UploadEnded where a part is gone, TooLarge, StorageFull.
        """
        parts = self._parts(final.id)
        is_hopeless = any(part.has_ended for part in parts)
        if not is_hopeless and any(part.length is None or part.offset != part.length for part in parts):
            return final
        total = sum(part.offset for part in parts)
        self._space.check_size(total)
        with (
            suppress(RangeBusy),
            self._store.open_writer(final.id, Span(0, END), create=True, wait_seconds=ANSWER_SECONDS) as writer,
        ):
            current = self._find_under_claim(final.id)
            if current.is_due or current.is_finished:
                return current
            if any(part.has_ended for part in self._parts(final.id)):
                self._give_up(final.id)
            try:
                self._copy(parts, writer)
                writer.seal(total, flush=self._durability.flush)
            except BaseException:
                with tidying():
                    writer.cut()  # half a copy would keep the room that a full disk needs
                raise
            self._spend(final, parts, writer)
            for part in parts:
                self._files.discard_blob(part.id)
        return self._find(final.id)

    def _copy(self, parts: Sequence[UploadRecord], writer: BlobWriter) -> None:
        position = 0
        for part in parts:
            for start in range(0, part.offset, STEP_BYTES):
                step = Span(start, min(start + STEP_BYTES, part.offset))
                try:
                    writer.copy(part.id, step, to=position + start)
                except BlobMissing as error:
                    raise UploadEnded from error
            position += part.offset

    @run_again
    def _spend(self, final: UploadRecord, parts: Sequence[UploadRecord], writer: BlobWriter) -> None:
        """Let the copied bytes count and the parts be gone. Raises UploadEnded where one of them was cancelled."""
        total = sum(part.offset for part in parts)
        # The parts are unlinked afterwards: whatever is asked for, they must not come back without their bytes.
        with self._database.write_rows(durable=True) as rows:
            file = file_rows.lock_to_name(rows, final.id)
            ids = sorted(part.id for part in parts)
            spent = [file_rows.lock(rows, part_id) for part_id in ids]
            if file is None or file.is_complete or None in spent:
                raise UploadEnded
            writer.record(rows)
            for part in filter(None, spent):
                self._durability.check(part.unflushed_boot)
                remove_row(rows, part, self._space)
            resumable_rows.end(rows, ids, now=self._now())
            self._space.resize(rows, file, total, has_all=True)  # they counted as those of its parts
            if total:
                intervals.add_span(rows, final.id, Span(0, total))
            put_together = replace(
                file,
                length=total,
                length_declared=True,
                received_bytes=total,
                reserved_bytes=total,
                unflushed_boot=self._durability.mark_of_whole(),
                updated_at=self._now(),
            )
            file_rows.save_progress(rows, put_together)

    @run_again
    def _give_up(self, final_id: uuid.UUID) -> None:
        """End a final upload that can never be whole. Raises UploadEnded."""
        with self._database.write_rows() as rows:
            file = file_rows.lock_to_name(rows, final_id)
            if file is not None and not file.is_complete:
                resumable_rows.end(rows, [final_id], now=self._now())
                remove_row(rows, file, self._space)
        self._files.discard_blob(final_id)
        raise UploadEnded

    def _parts(self, final_id: uuid.UUID) -> list[UploadRecord]:
        with self._database.read_rows() as rows:
            return resumable_rows.parts_of(rows, final_id)

    def _find_under_claim(self, final_id: uuid.UUID) -> UploadRecord:
        """Raises UploadEnded for one that is gone; then the claim has made its blob anew."""
        try:
            return self._find(final_id)
        except UploadEnded:
            self._files.discard_if_nobodys(final_id)
            raise

    def _find(self, final_id: uuid.UUID) -> UploadRecord:
        with self._database.read_rows() as rows:
            found = resumable_rows.find(rows, final_id)
        if found is None or found.has_ended:
            raise UploadEnded
        return found
