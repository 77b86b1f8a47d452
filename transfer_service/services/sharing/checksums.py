"""The CRC-32 of files that came in before it was computed for all: once, when an archive first needs it.

Their bytes are read again, off the event loop, and compared with their SHA-256: damaged ones get none, or an archive
would vouch for them. That may take long, so who asks is told to come again, and it goes on.
"""

import time
import uuid
from collections.abc import Sequence
from functools import partial

from sqlalchemy import bindparam, update

from transfer_service.db.database import run_again
from transfer_service.db.prepared import PreparedWrite
from transfer_service.errors import BlobMissing, ChecksumsPending, ReadFailed
from transfer_service.models.files import File
from transfer_service.services.core import Core
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.finishing import Completion
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.steps import ANSWER_SECONDS, Steps

_files = File.__table__
_SET = PreparedWrite(
    update(_files)
    .where(_files.c.id == bindparam("file_id"), _files.c.sha256 == bindparam("of_sha256"))
    .values(crc32=bindparam("to_crc32"))
)


class Checksums:
    """Computes what is lacking, for one account at a time in this process, by whatever instance is asked."""

    def __init__(self, core: Core, *, completion: Completion) -> None:
        self._database = core.database
        self._completion = completion
        self._steps = Steps[bool]()

    def ensure(self, account_id: uuid.UUID, file_ids: Sequence[uuid.UUID]) -> None:
        """Return when all of them have theirs, or are gone.

        Raises ChecksumsPending where that takes long: it goes on. Raises ReadFailed where one is damaged.
        """
        deadline = time.monotonic() + ANSWER_SECONDS
        begun: list[uuid.UUID] = []
        work = partial(self._add_all, file_ids, begun)
        while not begun:  # or what was waited for was about other files
            if not self._steps.take(account_id, work, seconds=max(deadline - time.monotonic(), 0)):
                raise ChecksumsPending

    def _add_all(self, file_ids: Sequence[uuid.UUID], begun: list[uuid.UUID]) -> bool:
        """Whether it is done. `begun` shows at once that these are the files."""
        begun += file_ids
        for file_id in file_ids:
            self._add(file_id)
        return True

    def _add(self, file_id: uuid.UUID) -> None:
        file = self._find_lacking(file_id)
        if file is None:
            return
        length = file.length or 0
        with self._completion.turn(file_id, length):
            if self._find_lacking(file_id) is None:  # another instance was faster
                return
            try:
                digest = self._completion.digest(file_id, length)
            except BlobMissing as error:
                if self._find_lacking(file_id) is None:
                    return
                raise ReadFailed from error
            finally:
                self._completion.forget(file_id)
            if digest.sha256 != file.sha256:
                raise ReadFailed
            self._store(file_id, digest.sha256, digest.crc32)  # before the next one's turn, or it would read all again

    def _find_lacking(self, file_id: uuid.UUID) -> FileRecord | None:
        with self._database.read_rows() as rows:
            file = file_rows.find(rows, file_id)
        return file if file is not None and file.is_complete and file.crc32 is None else None

    @run_again
    def _store(self, file_id: uuid.UUID, sha256: str, crc32: int) -> None:
        with self._database.write_rows() as rows:
            _SET.run(rows, {"file_id": file_id, "of_sha256": sha256, "to_crc32": crc32})
