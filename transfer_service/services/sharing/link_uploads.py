"""What arrives by upload links: ended when its link is taken back."""

import uuid
from contextlib import suppress

from sqlalchemy import bindparam, func, literal_column, select

from transfer_service.db.prepared import PreparedSelect
from transfer_service.errors import NotFound, TooManyUnderWay, UploadEnded
from transfer_service.models.files import File
from transfer_service.services.core import Core
from transfer_service.services.uploads.resumable import ResumableUploadService

_files = File.__table__
MAX_UNDER_WAY = 1000
"""At a time. Parts and uploads of unknown length cost a link nothing at first: its guests could fill tables."""

under_way = select(_files.c.id).where(
    _files.c.origin_id == bindparam("link_id"), _files.c.state == literal_column("'receiving'")
)
"""In the words of its index."""
_UNDER_WAY = PreparedSelect(under_way)
_COUNT = PreparedSelect(select(func.count().label("number")).select_from(under_way.limit(MAX_UNDER_WAY).subquery()))


class LinkUploads:
    """Knows what is under way by a link, and cancels it."""

    def __init__(self, core: Core, *, uploads: ResumableUploadService) -> None:
        self._database = core.database
        self._uploads = uploads

    def check_crowd(self, link_id: uuid.UUID) -> None:
        """Raises TooManyUnderWay where no further upload may be begun for now."""
        with self._database.read_rows() as rows:
            found = _COUNT.find(rows, {"link_id": link_id})
        if found is not None and found.number >= MAX_UNDER_WAY:
            raise TooManyUnderWay

    def cancel_all(self, account_id: uuid.UUID, link_id: uuid.UUID) -> None:
        """Cancel the uploads of a link whose allotment has ended: nothing of them counts any more as it is.

        What a kill leaves of them is removed by cleanup.
        """
        with self._database.read_rows() as rows:
            under_way = [row.id for row in _UNDER_WAY.find_all(rows, {"link_id": link_id})]
        for upload_id in under_way:
            with suppress(NotFound, UploadEnded):
                self._uploads.cancel(account_id, upload_id)
