"""After a power loss: forget what may not have reached the disk.

With `process` and `complete` durability a chunk's fact can reach the disk before its bytes do. That is harmless while
the machine lives, whatever happens to the process. But a machine that loses its power may remember facts without
bytes, and a file finished on top of them would have a hole. So every running instance leaves a mark with the machine's
boot id, and removes it once everything is flushed. A mark from an earlier boot says: unfinished uploads start again.
"""

import os
import uuid
from pathlib import Path

from sqlalchemy import delete, select, update

from transfer_service.database import Database
from transfer_service.models import File, FileState, ReceivedRange

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MACHINE_ID = Path("/etc/machine-id")


class Recovery:
    """The marks of the instances on one data folder. `boot` names this machine and its present boot."""

    def __init__(self, *, database: Database, folder: Path, boot: tuple[str, str]) -> None:
        self._database = database
        self._folder = folder
        self._machine, self._boot = boot
        self._mark = folder / f"{os.getpid()}-{uuid.uuid4().hex}"

    def begin(self) -> int:
        """Leave this instance's mark. The number of uploads that an earlier power loss made start again."""
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        marks = {mark: mark.read_text().split() for mark in self._folder.iterdir()}
        earlier = [mark for mark, at in marks.items() if at[:1] == [self._machine] and at[1:] != [self._boot]]
        restarted = self._forget_unflushed() if earlier else 0
        self._mark.write_text(f"{self._machine} {self._boot}")
        for mark, at in marks.items():
            # A dead instance of this boot left bytes unflushed too: from now on our own mark answers for them.
            if mark in earlier or (at == [self._machine, self._boot] and not _is_alive(mark)):
                mark.unlink(missing_ok=True)
        return restarted

    def end(self) -> None:
        """Flush everything, then take the mark away."""
        os.sync()
        self._mark.unlink(missing_ok=True)

    def _forget_unflushed(self) -> int:
        unfinished = select(File.id).where(File.state == FileState.RECEIVING)
        with self._database.write(durable=True) as session:
            session.execute(delete(ReceivedRange).where(ReceivedRange.file_id.in_(unfinished)))
            restarted = session.execute(
                update(File)
                .where(File.state == FileState.RECEIVING, File.received_bytes > 0)
                .values(received_bytes=0)
                .returning(File.id)
            )
            return len(restarted.all())


def present_boot() -> tuple[str, str]:
    """The id of the machine and of its present boot, `unknown` where the system does not tell."""
    return _read(MACHINE_ID), _read(BOOT_ID)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip() or "unknown"
    except OSError:
        return "unknown"


def _is_alive(mark: Path) -> bool:
    try:
        os.kill(int(mark.name.partition("-")[0]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
