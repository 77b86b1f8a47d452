"""Previews, for who asks for one: what is known, and the wait for what is being made."""

from collections.abc import Callable
from contextlib import closing, suppress

from sqlalchemy.exc import IntegrityError

from transfer_service.errors import BlobMissing, NoPreview, PreviewPending, ReadOnly
from transfer_service.models.previews import PreviewState
from transfer_service.services.core import Core
from transfer_service.services.previews import rows as preview_rows
from transfer_service.services.previews.rows import URGENT, PreviewRecord
from transfer_service.services.previews.waiting import Waits
from transfer_service.storage.bodies import BlobReader
from transfer_service.wire.media_signatures import HEAD_BYTES, medium_of

WAIT_SECONDS = 5.0
WANTED = "previews_wanted"
"""The channel on which workers hear that somebody waits."""

OpenSource = Callable[[], BlobReader]


class PreviewService:
    """Finds previews and waits for them. `subject` is a file's id in hexadecimal digits, or a message's."""

    def __init__(self, core: Core, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._core = core
        self._database = core.database
        self._room = core.previews
        self._waits = Waits(core.database)
        self.wait_seconds = wait_seconds

    def find(self, subject: str) -> PreviewRecord | None:
        """What is known of a preview, made or not; None where nobody has asked for one yet."""
        if not self._core.makes_previews:
            return None
        with self._database.read_rows() as rows:
            return preview_rows.find(rows, subject)

    def get(self, subject: str, open_source: OpenSource) -> PreviewRecord:
        """A preview that is made. Waits for it, with nothing held meanwhile. Raises NoPreview, PreviewPending.

        Of a file of which nobody has noted that there may be one, `open_source` gives the bytes, that is looked at.
        """
        found = self._find_or_ask(subject, open_source)
        if found.state is PreviewState.WAITING:
            self._waits.until_made(subject, self.wait_seconds)
            again = self.find(subject)
            if again is None:
                raise NoPreview
            found = again
        if found.state is PreviewState.WAITING:
            raise PreviewPending
        if found.state is not PreviewState.READY:
            raise NoPreview
        return found

    def _find_or_ask(self, subject: str, open_source: OpenSource) -> PreviewRecord:
        """What there is; where it is to be made, it is first in the queue now."""
        if not self._core.makes_previews:
            raise NoPreview
        found = self.find(subject)
        if found is not None and found.state is not PreviewState.WAITING:
            return found
        if found is None:
            with closing(open_source()) as source:
                if medium_of(source.read(0, HEAD_BYTES)) is None:
                    raise NoPreview
        if self._database.is_read_only:
            raise ReadOnly
        if found is None or found.rank > URGENT:
            self._hurry(subject)
        found = self.find(subject)
        if found is None:
            raise NoPreview
        return found

    def _hurry(self, subject: str) -> None:
        with suppress(IntegrityError), self._database.write_rows() as rows:
            if preview_rows.find(rows, subject) is None:
                preview_rows.add(rows, subject, self._core.now(), rank=URGENT)
            else:
                preview_rows.hurry(rows, subject)
            self._database.notices.notify(rows, WANTED, subject)

    def open(self, preview: PreviewRecord) -> BlobReader:
        """The bytes of one that is made. Raises PreviewPending where they are lost: then it is made again."""
        with suppress(BlobMissing):
            reader = self._room.open_reader(preview.subject)
            if reader.size >= preview.length:
                return reader
            reader.close()
        if self._database.is_read_only:
            raise NoPreview
        with self._database.write_rows() as rows:
            if preview_rows.find(rows, preview.subject) == preview:
                preview_rows.add(rows, preview.subject, self._core.now(), rank=URGENT)
        raise PreviewPending
