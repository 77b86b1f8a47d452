"""What resumable uploads tell while they go on."""

import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

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
        self._told_at: OrderedDict[uuid.UUID, float] = OrderedDict()

    def tell(self, upload: UploadRecord, *, is_last: bool = False) -> None:
        """Publish, unless something was published less than a second ago."""
        now = time.monotonic()
        told_at = self._told_at.pop(upload.id, None)
        if told_at is not None and now - told_at < PAUSE_SECONDS and not is_last:
            self._told_at[upload.id] = told_at
            return
        if not is_last:
            self._told_at[upload.id] = now
            while len(self._told_at) > MAX_REMEMBERED:
                self._told_at.popitem(last=False)
        self._publish(
            UploadProgress(
                account_id=upload.account_id,
                upload_id=upload.id,
                filename=upload.name,
                offset=upload.offset,
                length=upload.length,
            )
        )
