"""Finding an account's uploads, and telling which of them have ended."""

import uuid
from datetime import datetime

from transfer_service.errors import NotFound, UploadEnded
from transfer_service.services.core import Core
from transfer_service.services.uploads import rows as resumable_rows
from transfer_service.services.uploads.rows import UploadRecord


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
