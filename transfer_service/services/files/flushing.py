"""Bringing the bytes of an unfinished file to the disk, and forgetting them where the disk fails.

A kernel that could not write a page takes it for clean afterwards: the next flush succeeds, and says nothing about the
bytes that are lost (fsync(2)). So bytes whose flush failed count no more; their client is told, and sends them again.
"""

import uuid

from sqlalchemy import bindparam, delete, update

from transfer_service.db.database import Database
from transfer_service.errors import FlushFailed
from transfer_service.models.files import File, FileState, ReceivedRange
from transfer_service.storage.blobs import BlobStore

_files, _ranges = File.__table__, ReceivedRange.__table__
_FORGET = (
    update(_files)
    .where(_files.c.id == bindparam("file_id"), _files.c.state == FileState.RECEIVING)
    .values(received_bytes=0, unflushed_boot=None)
    .returning(_files.c.id)
)
_FORGET_RANGES = delete(_ranges).where(_ranges.c.file_id == bindparam("file_id"))


def flush_or_forget(database: Database, store: BlobStore, file_id: uuid.UUID) -> None:
    """Return when all that was written of a file survives power loss.

    Raises BlobMissing, StorageFull, StoreUnavailable; where that was FlushFailed, nothing of an unfinished file counts.
    """
    try:
        store.sync(file_id)
    except FlushFailed:
        with database.write_rows(durable=True) as rows:
            if rows.execute(_FORGET, {"file_id": file_id}).first() is not None:
                rows.execute(_FORGET_RANGES, {"file_id": file_id})
        raise
