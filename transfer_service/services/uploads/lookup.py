"""Finding an account's uploads, and telling which have ended; and ending the appends to them that still run.

The newest request wins: whoever asks about an upload, or continues it, ends the append that is still running. To the
client that append is dead, or it would not ask: it is its own connection that it lost, and the server has not.
"""

import time
import uuid
from contextlib import suppress
from datetime import datetime

from transfer_service.errors import BlobMissing, NotFound, Superseded, UploadEnded
from transfer_service.services.core import Core
from transfer_service.services.uploads import rows as resumable_rows
from transfer_service.services.uploads.rows import UploadRecord
from transfer_service.storage.blobs import END, Claims
from transfer_service.wire.ranges import Span


class UploadLookup:
    """Reads uploads. `stale_after` is how long one may rest before it expires."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._now = core.now
        self._stale_after = core.stale_after

    def get(self, account_id: uuid.UUID, upload_id: uuid.UUID) -> UploadRecord:
        """The account's upload. Raises NotFound, and UploadEnded also for one that has expired."""
        upload = self.find(upload_id)
        if upload is None or upload.account_id != account_id:
            raise NotFound("Upload not found")
        expires_at = self.expires_at(upload)
        if upload.has_ended or (expires_at is not None and expires_at <= self._now()):
            raise UploadEnded
        return upload

    def find(self, upload_id: uuid.UUID) -> UploadRecord | None:
        """Anybody's upload, ended or not."""
        with self._database.read_rows() as rows:
            return resumable_rows.find(rows, upload_id)

    def expires_at(self, upload: UploadRecord) -> datetime | None:
        """When an upload that lacks some bytes expires unless it goes on."""
        if upload.is_finished or upload.is_due:
            return None
        return upload.rested_since + self._stale_after

    def seconds_left(self, upload: UploadRecord) -> int | None:
        """How long an unfinished upload may rest from now on."""
        expires_at = self.expires_at(upload)
        return None if expires_at is None else max(0, int((expires_at - self._now()).total_seconds()))


TAKE_OVER_SECONDS = 1.75
"""Long enough for a holder that notices and stores what it has, and short enough for an answer within two seconds."""
POLL_SECONDS = 0.05
_BEHIND_ALL_DATA = Span(END - 1, END)


class Displacement:
    """Ends appends that are running, in whatever process."""

    def __init__(self, *, claims: Claims) -> None:
        self._claims = claims

    def is_appending(self, upload_id: uuid.UUID) -> bool:
        """Whether any process appends to the upload, or is about to."""
        return self._claims.is_in_use(upload_id)

    def end_append(self, upload_id: uuid.UUID) -> None:
        """Return when no append runs any more that began before: all that it brought counts then.

        Where somebody has come after, it is his to end it, and this returns when he has or soon: what is told then need
        not last. Raises RangeBusy where it cannot be ended in time.
        """
        if not self.is_appending(upload_id):
            return
        deadline = time.monotonic() + TAKE_OVER_SECONDS
        with suppress(BlobMissing):
            try:
                with self._claims.take_over(upload_id, _BEHIND_ALL_DATA, wait_seconds=TAKE_OVER_SECONDS):
                    return
            except Superseded:
                while self.is_appending(upload_id) and time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS)
