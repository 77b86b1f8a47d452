"""After a power loss: forget what may not have reached the disk.

Everything is judged by what the store says: `unflushed_boot` of a file names the boot in which it was given bytes that
nobody has flushed (`durability`). So it does not matter which process, container or machine wrote them, how many
instances start at once, or what the setting says by now.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import and_, bindparam, delete, select, update

from transfer_service.db.database import Executor
from transfer_service.errors import ReadOnly
from transfer_service.models.files import File, FileState, ReceivedRange, TrashedFile
from transfer_service.services.core import Core

BEFORE = "before"
"""The boot of bytes that came before boots were written down."""
RECOVER_FIRST = "The machine stopped without warning: start the service once without TRANSFER_READ_ONLY"

_files, _trashed = File.__table__, TrashedFile.__table__
_ranges = ReceivedRange.__table__
_is_of_another_boot = and_(_files.c.unflushed_boot.is_not(None), _files.c.unflushed_boot != bindparam("boot"))
_IS_NEEDED = select(_files.c.id).where(_is_of_another_boot).limit(1)
_FORGET = (
    update(_files)
    .where(_files.c.state == FileState.RECEIVING, _is_of_another_boot)
    .values(received_bytes=0, unflushed_boot=None)
    .returning(_files.c.id)
)
_FORGET_RANGES = delete(_ranges).where(
    _ranges.c.file_id.in_(
        select(_files.c.id).where(_files.c.state == FileState.RECEIVING, _files.c.received_bytes == 0)
    )
)
# Their SHA-256 stays: it is what the bytes must have before the file is finished again (`finishing`).
_DOUBT = (
    update(_files)
    .where(_files.c.state == FileState.COMPLETE, _is_of_another_boot)
    .values(state=FileState.RECEIVING, unflushed_boot=None)
    .returning(_files.c.id)
)
_UNFLUSHED = select(_files.c.id, _files.c.received_bytes).where(_files.c.unflushed_boot == bindparam("boot"))
# More bytes that count are a larger number: in one boot it never goes back.
_NOTE_FLUSHED = (
    update(_files)
    .where(
        _files.c.id == bindparam("file_id"),
        _files.c.received_bytes == bindparam("flushed_bytes"),
        _files.c.unflushed_boot == bindparam("boot"),
    )
    .values(unflushed_boot=None)
)
# Files in the trash are judged when they are brought back. What is in it does not change.
_UNFLUSHED_TRASH = select(_trashed.c.id).where(_trashed.c.unflushed_boot == bindparam("boot"))
_NOTE_FLUSHED_TRASH = (
    update(_trashed)
    .where(_trashed.c.id == bindparam("file_id"), _trashed.c.unflushed_boot == bindparam("boot"))
    .values(unflushed_boot=None)
)
_JUDGE_BEFORE = update(_files).where(_files.c.unflushed_boot == BEFORE).values(unflushed_boot=bindparam("to_boot"))


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many uploads start again, and how many finished files count only once their bytes were looked at."""

    restarted: int = 0
    doubted: int = 0


class Recovery:
    """Sorts out what an earlier boot has left, and leaves nothing to sort out after a stop in order."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._boot = core.durability.boot
        self._marks = core.settings.data_dir / "running"  # where earlier versions kept what they knew of boots
        self._flush = core.store.sync_all
        self._is_done = False

    def ensure(self) -> Recovered:
        """Do what is to be done before anything is served, once. Raises StoreUnavailable, StorageFull, ReadOnly.

        Several instances may do so at once, while others serve.
        """
        if self._is_done:
            return Recovered()
        with self._database.read_rows() as rows:
            is_needed = rows.execute(_IS_NEEDED, {"boot": self._boot}).first() is not None
        if self._database.is_read_only:
            if is_needed:
                raise ReadOnly(RECOVER_FIRST)
            self._is_done = True
            return Recovered()
        recovered = self._recover() if is_needed else Recovered()  # a full disk shall not stop who has nothing to do
        shutil.rmtree(self._marks, ignore_errors=True)
        self._is_done = True
        return recovered

    def _recover(self) -> Recovered:
        with self._database.write_rows(durable=True) as rows:
            self._judge_old_marks(rows)
            restarted = len(rows.execute(_FORGET, {"boot": self._boot}).all())
            if restarted:
                rows.execute(_FORGET_RANGES)
            doubted = len(rows.execute(_DOUBT, {"boot": self._boot}).all())
        return Recovered(restarted, doubted)

    def note_flushed(self) -> None:
        """Flush all that came in this boot, and note that. What others receive meanwhile stays unflushed."""
        if self._database.is_read_only:
            return
        with self._database.read_rows() as rows:
            unflushed = rows.execute(_UNFLUSHED, {"boot": self._boot}).all()
            trash = rows.execute(_UNFLUSHED_TRASH, {"boot": self._boot}).all()
        if not unflushed and not trash:
            return
        self._flush()
        flushed = [{"file_id": row.id, "flushed_bytes": row.received_bytes, "boot": self._boot} for row in unflushed]
        with self._database.write_rows(durable=True) as rows:
            if flushed:
                rows.execute(_NOTE_FLUSHED, flushed)
            if trash:
                rows.execute(_NOTE_FLUSHED_TRASH, [{"file_id": row.id, "boot": self._boot} for row in trash])

    def _judge_old_marks(self, rows: Executor) -> None:
        """Files of before this version: a mark says that an instance ran, and did not stop in order, in that boot."""
        boots = _boots_in(self._marks)
        if not boots:
            rows.execute(_JUDGE_BEFORE, {"to_boot": None})
        elif boots == {self._boot}:
            rows.execute(_JUDGE_BEFORE, {"to_boot": self._boot})


def _boots_in(folder: Path) -> set[str]:
    """The boots that marks of earlier versions name; what cannot be read any more is of no known one."""
    boots = set()
    try:
        for mark in folder.iterdir():
            try:
                boots.add("".join(mark.read_text().split()[1:2]))
            except (OSError, ValueError):
                boots.add("")
    except FileNotFoundError:
        return set()
    return boots
