"""The newest request wins: whoever asks about an upload, or continues it, ends the append that is still running.

To the client that append is dead, or it would not ask: it is its own connection that it lost, and the server has not.
"""

import time
import uuid
from contextlib import suppress

from transfer_service.errors import BlobMissing, Superseded
from transfer_service.storage.blobs import END, Claims
from transfer_service.wire.ranges import Span

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
