"""What is on the disk, and in which boot of the machine that was written which may not be.

A record can reach the disk before the bytes it is about. That is harmless while the machine lives, whatever happens to
the process; a machine that loses its power may then have records without bytes. So a file of which some bytes count
that were not flushed carries the id of the boot in which they came, written in the same transaction as the rest of its
record. In any other boot those bytes count no more (`recovery`).
"""

import uuid
from dataclasses import dataclass
from pathlib import Path

from transfer_service.errors import StoreUnavailable

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Durability:
    """`flush`: a finished file must survive power loss before anybody is told of it; `flush_chunks`: every chunk must.

    `boot` names the present boot of the machine.
    """

    boot: str
    flush: bool
    flush_chunks: bool

    def mark_of_chunk(self, earlier: str | None, *, is_flushed: bool | None = None) -> str | None:
        """What a file is marked with once a chunk counts, which was flushed if that was asked for, or is said here."""
        return earlier if (self.flush_chunks if is_flushed is None else is_flushed) else self.boot

    def mark_of_whole(self) -> str | None:
        """What a file is marked with once it is finished, flushed if that was asked for."""
        return None if self.flush else self.boot

    def check(self, mark: str | None) -> None:
        """Refuse to build upon bytes of another boot. Raises StoreUnavailable: recovery has not seen the file yet."""
        if mark not in {None, self.boot}:
            raise StoreUnavailable("What a power loss may have taken is not sorted out yet")


def present_boot() -> str:
    """The id of the machine's present boot; where the system does not tell, one that nobody else has."""
    try:
        return BOOT_ID.read_text().strip() or uuid.uuid4().hex
    except OSError:
        return uuid.uuid4().hex
