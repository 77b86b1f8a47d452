"""Room that is kept beside a SQLite database, to be given up when a full disk would keep anybody from opening it.

Even to read, SQLite's WAL mode has to make a file of shared memory, and a deletion that is to make room needs room for
its commit. Where others have filled the disk to the last byte, a service that was stopped could not start again.
"""

import os
from contextlib import suppress
from pathlib import Path

NAME = ".reserve"
MOST_BYTES = 4 * 1024**2
LEAST_BYTES = 128 * 1024
SHARE_OF_DISK = 16
FREE_TIMES = 3
"""So many times the reserve must be free for it to be taken."""


def take(folder: Path) -> None:
    """Take the reserve where there is none and enough is free. Never an error: without it all works but that start."""
    with suppress(OSError):
        disk = os.statvfs(folder)
        size = min(MOST_BYTES, disk.f_blocks * disk.f_frsize // SHARE_OF_DISK)
        if size < LEAST_BYTES or _free_bytes(folder) < FREE_TIMES * size:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(folder / NAME, flags, 0o600)
        try:
            if os.fstat(descriptor).st_size < size:
                os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)


def give_up_if_full(folder: Path) -> None:
    """Free half of the reserve where next to nothing else is free: what is left helps at the next start."""
    with suppress(OSError):
        if _free_bytes(folder) >= LEAST_BYTES:
            return
        descriptor = os.open(folder / NAME, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        finally:
            os.close(descriptor)


def _free_bytes(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
