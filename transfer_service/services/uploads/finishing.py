"""The last step of a resumable upload: verified, flushed, named, and from then on a file like any other."""

import hashlib
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from cachetools import FIFOCache

from transfer_service.db.database import Executor, run_again
from transfer_service.errors import BlobMissing, DigestMismatch, UploadEnded
from transfer_service.models.uploads import UploadKind
from transfer_service.services.core import Core
from transfer_service.services.digests import DigestFollower, hash_all
from transfer_service.services.file_digest import FileDigest, digest_of
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.files import FileService
from transfer_service.services.files.finishing import Completion, declare_whole
from transfer_service.services.files.folder_rows import lock_names
from transfer_service.services.files.naming import claim_name
from transfer_service.services.steps import ANSWER_SECONDS, LOOK_SECONDS, Steps
from transfer_service.services.uploads import rows as resumable_rows
from transfer_service.services.uploads.concatenation import Concatenation
from transfer_service.services.uploads.progress import ProgressNews
from transfer_service.services.uploads.rows import UploadRecord
from transfer_service.storage.blobs import BlobWriter
from transfer_service.telemetry import meters
from transfer_service.wire.digests import parse_digests

MAX_REFUSED = 1024
_NOTHING = digest_of([])


class UploadCompletion:
    """Finishes uploads. A crash on the way leaves an upload that the next look at it finishes."""

    def __init__(
        self,
        core: Core,
        *,
        files: FileService,
        completion: Completion,
        concatenation: Concatenation,
        news: ProgressNews,
    ) -> None:
        self._core = core
        self._database = core.database
        self._store = core.store
        self._space = core.space
        self._files = files
        self._completion = completion
        self._concatenation = concatenation
        self._news = news
        self._offload = core.offload
        self._refused: FIFOCache[tuple[uuid.UUID, str | None], None] = FIFOCache(MAX_REFUSED)

    @property
    def is_read_only(self) -> bool:
        """Whether no step may be taken."""
        return self._database.is_read_only

    def finish(self, upload: UploadRecord) -> UploadRecord:
        """The upload after the step that is due, if one is: to a file, or from parts to the whole.

        Raises UploadEnded, DigestMismatch (it then stays unfinished), ReadFailed, StorageFull, TooLarge.
        """
        if upload.kind is UploadKind.FINAL and not upload.is_due and not upload.is_finished:
            upload = self._concatenation.assemble(upload)
        if not upload.is_due:
            return upload
        if upload.is_in_doubt:
            return self.resolve_doubt(upload)
        with self._completion.turn(upload.id, upload.offset) as others_had_theirs:
            current = self._find(upload.id) if others_had_theirs else upload
            return self._finish_due(current) if current.is_due else current

    def _finish_due(self, upload: UploadRecord) -> UploadRecord:
        self._check_not_refused(upload)
        try:
            is_empty = not upload.length  # no append has made a blob yet
            digest = _NOTHING if is_empty else self._completion.digest(upload.id, upload.offset)
            self._verify(upload, digest)
            with self._completion.sealed(upload.id, upload.offset, is_new=is_empty) as record:
                return self._declare(upload, digest, record)
        except BlobMissing as error:
            raise UploadEnded from error

    def resolve_doubt(self, upload: UploadRecord) -> UploadRecord:
        """The upload, a file again or gone where a power loss has put that in doubt. Raises UploadEnded."""
        if not upload.is_in_doubt:
            return upload
        with self._database.read_rows() as rows:
            file = file_rows.find_visible_by_id(rows, upload.id)
        if file is not None:
            self._files.finish(file)
        return self._find(upload.id)

    def _find(self, upload_id: uuid.UUID) -> UploadRecord:
        with self._database.read_rows() as rows:
            found = resumable_rows.find(rows, upload_id)
        if found is None or found.has_ended:
            raise UploadEnded
        return found

    def finals_waiting_for(self, part: UploadRecord) -> list[UploadRecord]:
        """What may only have waited for this part, if that is whole."""
        is_whole = part.kind is UploadKind.PARTIAL and part.offset == part.length
        return self._finals_with(part.id) if is_whole else []

    def must_read_back(self, upload: UploadRecord) -> bool:
        """Whether bytes must be fetched from a remote store before an upload is finished, or may have to be."""
        is_here = upload.kind is not UploadKind.FINAL and self.is_nearly_hashed(upload)
        return self._store.is_remote and not is_here

    def is_nearly_hashed(self, upload: UploadRecord) -> bool:
        """Whether `finish_written` would take no longer than it takes to flush the bytes."""
        promised = parse_digests(upload.repr_digest, field="Repr-Digest") if upload.repr_digest else {}
        is_sha256 = promised.keys() <= {"sha256"}  # of any other, nothing is hashed yet
        return upload.is_due and is_sha256 and self._completion.is_nearly_hashed(upload.id, upload.offset)

    def finish_written(self, upload: UploadRecord, writer: BlobWriter) -> UploadRecord:
        """Finish an upload of which the last bytes are written but do not count yet: now they do, in the same step.

        Only for the holder of the claim. Raises like `finish`; then the bytes still do not count.
        """
        self._check_not_refused(upload)
        try:
            digest = self._completion.seal(upload.id, upload.offset, writer)
        except BlobMissing as error:
            raise UploadEnded from error
        self._verify(upload, digest)
        return self._declare(upload, digest, writer.record)

    def follow(self, upload_id: uuid.UUID) -> DigestFollower:
        """For an append that hashes its bytes while it has them."""
        return self._completion.follow(upload_id)

    def make_headway(self, upload_id: uuid.UUID, committed: int) -> None:
        """Hash a part of what counts already."""
        self._completion.make_headway(upload_id, committed)

    def go_back(self, upload_id: uuid.UUID) -> None:
        """Drop what an append has hashed: some of it never came to count."""
        self._completion.go_back(upload_id)

    def _finals_with(self, part_id: uuid.UUID) -> list[UploadRecord]:
        with self._database.read_rows() as rows:
            found = [resumable_rows.find(rows, final_id) for final_id in resumable_rows.finals_with(rows, part_id)]
        return [final for final in found if final is not None and not final.has_ended]

    def _verify(self, upload: UploadRecord, digest: FileDigest) -> None:
        """Raises DigestMismatch where the bytes are not what was promised."""
        promised = parse_digests(upload.repr_digest, field="Repr-Digest") if upload.repr_digest else {}
        for algorithm, expected in promised.items():
            found = bytes.fromhex(digest.sha256) if algorithm == "sha256" else self._digest(upload, algorithm)
            if found != expected:
                self._refuse(upload)
                raise DigestMismatch

    def _check_not_refused(self, upload: UploadRecord) -> None:
        """Raises DigestMismatch where these bytes were hashed before and found to be others than the promised ones."""
        if (upload.id, upload.repr_digest) in self._refused:
            raise DigestMismatch

    def _refuse(self, upload: UploadRecord) -> None:
        self._refused[upload.id, upload.repr_digest] = None

    def _digest(self, upload: UploadRecord, algorithm: str) -> bytes:
        hasher = hashlib.new(algorithm, usedforsecurity=False)
        if upload.offset:  # or there may be no blob yet
            with closing(self._store.open_reader(upload.id, is_checked=True)) as blob:
                hash_all(blob, hasher, self._offload)
        return hasher.digest()

    @run_again
    def _declare(self, upload: UploadRecord, digest: FileDigest, record: Callable[[Executor], None]) -> UploadRecord:
        """Name the file and declare it whole, in one step. Raises UploadEnded, QuotaExceeded, ClaimLost."""
        durability = self._completion.durability
        # Durable, since what is replaced is unlinked afterwards: its row must not come back.
        with self._database.write_rows(durable=durability.flush or upload.overwrite) as rows:
            lock_names(rows, upload.account_id)
            file = file_rows.lock(rows, upload.id)
            current = resumable_rows.find(rows, upload.id)
            if file is None or current is None or current.has_ended:
                raise UploadEnded
            record(rows)
            if current.is_finished:  # somebody else was first
                return current
            durability.check(file.unflushed_boot)
            claimed = claim_name(rows, upload.account_id, file.name, overwrite=upload.overwrite, core=self._core)
            file = replace(file, name=claimed.name, length_declared=True)
            length, replaced_id = upload.offset, claimed.replaced_id
            whole = declare_whole(rows, file, self._core, length=length, digest=digest, replaced_id=replaced_id)
            if not current.ends:
                resumable_rows.set_ends(rows, upload.id)
        meters.count(meters.FINISHED)
        self._completion.forget(upload.id)
        if claimed.blob_id is not None:
            self._files.discard_blob(claimed.blob_id)
        return self.told(replace(upload, ends=True, file=whole))

    def told(self, finished: UploadRecord) -> UploadRecord:
        """A finished upload, of which the account's sockets have heard."""
        self._news.tell(finished, is_last=True)
        return finished


class Finishing:
    """Begins the steps that are due, one at a time for each upload in this process."""

    def __init__(self, *, completion: UploadCompletion) -> None:
        self._completion = completion
        self._steps = Steps[UploadRecord]()

    def finish(self, upload: UploadRecord, *, seconds: float = LOOK_SECONDS) -> UploadRecord:
        """The upload after the step that is due; as it is, where the step takes longer than `seconds`: it goes on.

        Raises like `UploadCompletion.finish`.
        """
        if (
            upload.is_finished
            or not (upload.is_due or upload.kind is UploadKind.FINAL)
            or self._completion.is_read_only
        ):
            return upload
        return self._steps.take(upload.id, lambda: self._completion.finish(upload), seconds=seconds) or upload

    def conclude(self, upload: UploadRecord) -> UploadRecord:
        """The same for who has asked for the step, and waits for it: of a remote store no longer than ANSWER_SECONDS.

        For who asks again it is finished, or still goes on, at whatever instance. Raises like it.
        """
        if self._completion.must_read_back(upload):
            return self.finish(upload, seconds=ANSWER_SECONDS)
        return self._completion.finish(upload)
