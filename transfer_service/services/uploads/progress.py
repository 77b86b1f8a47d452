"""What resumable uploads tell while they go on."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

from transfer_service.services.uploads.rows import UploadRecord

PAUSE_SECONDS = 1.0
MAX_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far an upload of an account got."""

    account_id: uuid.UUID
    upload_id: uuid.UUID
    filename: str
    offset: int
    length: int | None


class ProgressNews:
    """Passes progress on, at most once a second for each upload; the last of it always."""

    def __init__(self, publish: Callable[[UploadProgress], None]) -> None:
        self._publish = publish
        self._told: TTLCache[uuid.UUID, None] = TTLCache(MAX_REMEMBERED, PAUSE_SECONDS)

    def tell(self, upload: UploadRecord, *, is_last: bool = False) -> None:
        """Publish, unless something was published less than a second ago."""
        if is_last:
            self._told.pop(upload.id, None)
        elif upload.id in self._told:
            return
        else:
            self._told[upload.id] = None
        self._publish(
            UploadProgress(
                account_id=upload.account_id,
                upload_id=upload.id,
                filename=upload.name,
                offset=upload.offset,
                length=upload.length,
            )
        )
