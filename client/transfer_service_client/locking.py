"""Files that one process at a time may hold."""

import sys
from typing import IO

if sys.platform != "win32":
    import fcntl


def lock(file: int | IO[str], *, waits: bool = False) -> bool:
    """Hold a file alone until it is closed; False where another process has it. `waits` until that lets it go.

    Where the system or the disk knows no locks everybody gets it: what they are for goes on without.
    """
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
    return True
