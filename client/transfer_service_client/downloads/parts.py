"""A file while it arrives: its bytes in a `.part` beside the target, which of them are there in a `.json` beside that.

The list is written after the bytes it names, so that a killed process goes on from it; after a loss of power it may
promise too much, which the digest of the whole finds out. In a folder that others write to, what lies there counts only
where it is this user's: whoever owns a `.part` may write to it after it was verified, and once it is the target.
"""

import errno
import json
import os
import re
import stat
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from transfer_service_client.downloads.held_folder import HeldFolder
from transfer_service_client.downloads.placing import part_stem
from transfer_service_client.errors import TransferError
from transfer_service_client.locking import lock
from transfer_service_client.models import File

_SAVED_EVERY_SECONDS = 1.0
_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
_LOOK = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_LIST_BYTES = 1 << 20
_END_BYTES = 64 * 1024
_STRONG_ETAG = re.compile(r'"[!#-~]*"')
Range = tuple[int, int]
"""The first byte and the one after the last."""


class PartFile:
    """What has arrived of one file. Many threads may write to it at once."""

    def __init__(self, target: Path, file: File, *, below: Path | None = None) -> None:
        """Go on with what is beside `target`, where that is of the same file. Raises TransferError, OSError.

        `below` as HeldFolder takes it.
        """
        stem = part_stem(target.name)
        self._target, self._part = target, f"{stem}.part"
        self.etag: str | None = None
        self._state, self._new_state = f"{stem}.json", f"{stem}.new"
        self._identity = {"file_id": file.file_id, "sha256": file.sha256, "size": file.size}
        self._ranges: list[Range] = []
        self._changed = threading.Condition()
        self._saved_at = time.monotonic()
        self._mode: int | None = None
        self._handle = -1
        self._folder = HeldFolder(target.parent, below)
        try:
            self._handle = self._open_locked()
            self._load(file.size or 0)
            if not self._ranges:
                self._folder.unlink(self._state)  # it tells of another part
            self._folder.unlink(self._new_state)  # of a process that was killed, or had no room
            self._be_no_more_open_than_target()
            os.truncate(self.path if sys.platform == "win32" else self._handle, file.size or 0)
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._target.with_name(self._part)

    def missing(self, size: int) -> list[Range]:
        """What has not arrived, in order."""
        with self._changed:
            ends = [0, *(end for _, end in self._ranges)]
            starts = [*(start for start, _ in self._ranges), size]
            return [(start, end) for start, end in zip(ends, starts, strict=True) if start < end]

    def write(self, start: int, data: bytes) -> None:
        """Put bytes to their place. Raises OSError."""
        with self._changed:  # `close` too: no late thread writes into what another file's handle has become
            self._put(start, data)
            self._ranges = _merged(self._ranges, (start, start + len(data)))
            if time.monotonic() - self._saved_at > _SAVED_EVERY_SECONDS:
                self._save()
            self._changed.notify_all()

    def read(self, start: int, count: int) -> bytes:
        """Bytes that are there."""
        if sys.platform != "win32":
            return os.pread(self._handle, count, start)
        with self._changed:
            os.lseek(self._handle, start, os.SEEK_SET)
            return os.read(self._handle, count)

    def wait_past(self, position: int, seconds: float) -> int:
        """How far the file is there without a gap; waits for a while for that to be past `position`."""
        with self._changed:
            self._changed.wait_for(lambda: self._front() > position, seconds)
            return self._front()

    def save(self) -> None:
        """Keep for the next start what is there, where that can be gone on with.

        On a full disk the end of what is there makes room for the list of it. No bytes may be on their way any more.
        """
        with self._changed:
            try:
                self._save()
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                self._give_up_end()
                self._save()

    def clear(self) -> None:
        """Begin anew."""
        with self._changed:
            self._ranges, self.etag = [], None
            self._folder.unlink(self._state)

    def remove(self) -> None:
        """Nothing of it is worth to be kept. Raises OSError."""
        self._folder.unlink(self._part)

    def finish(self, seconds: float) -> None:
        """Put it, whole, in place of the target, changed at that unix time. Raises OSError.

        It is on the disk then: whoever deletes it at the service must not lose it by a loss of power.
        """
        if sys.platform != "win32" and self._mode is not None:
            os.fchmod(self._handle, self._mode)
        os.utime(self.path if sys.platform == "win32" else self._handle, (seconds, seconds))
        os.fsync(self._handle)  # else a name without bytes may be what is left
        if sys.platform == "win32":  # no open file can be renamed there
            self._let_go()
        self._folder.replace(self._part, self._target.name)
        self._folder.unlink(self._state)
        self._folder.flush()

    def close(self) -> None:
        """Let others have it."""
        with self._changed:
            self._let_go()
            self._folder.close()

    def _let_go(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _be_no_more_open_than_target(self) -> None:
        """What replaces a file of this user is as open to others as that was, from its first byte on."""
        with suppress(FileNotFoundError):
            found = self._folder.stat(self._target.name)
            if sys.platform != "win32" and stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
                self._mode = stat.S_IMODE(found.st_mode) & 0o777
                os.fchmod(self._handle, self._mode | 0o600)

    def _front(self) -> int:
        return self._ranges[0][1] if self._ranges and self._ranges[0][0] == 0 else 0

    def _put(self, start: int, data: bytes) -> None:
        view = memoryview(data)
        os.lseek(self._handle, start, os.SEEK_SET)
        while view:
            view = view[os.write(self._handle, view) :]

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        if self.etag is None or not self._ranges:
            return
        text = json.dumps({**self._identity, "etag": self.etag, "ranges": self._ranges})
        self._folder.unlink(self._new_state)
        handle = self._folder.open(self._new_state, _OPEN | os.O_EXCL)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        self._folder.replace(self._new_state, self._state)

    def _give_up_end(self) -> None:
        start, end = self._ranges.pop()
        if start < end - _END_BYTES:
            self._ranges.append((start, end - _END_BYTES))
        size = os.fstat(self._handle).st_size
        for length in (max(start, end - _END_BYTES), size):  # what is behind is a hole again
            os.truncate(self.path if sys.platform == "win32" else self._handle, length)

    def _load(self, size: int) -> None:
        """What the list says counts only with a part of full length: else they are not of one try."""
        with suppress(OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
            fields: dict[str, Any] = json.loads(self._read_own_list())
            if any(fields[key] != value for key, value in self._identity.items()):
                return
            if os.fstat(self._handle).st_size != size or not is_strong_etag(fields["etag"]):
                return
            ranges: list[Range] = []
            for start, end in fields["ranges"]:
                if not 0 <= int(start) < int(end) <= size:
                    return
                ranges = _merged(ranges, (int(start), int(end)))
            self._ranges, self.etag = ranges, fields["etag"]

    def _read_own_list(self) -> bytes:
        """The list, where it is a file of this user; no pipe is waited for. Raises OSError."""
        handle = self._folder.open(self._state, _LOOK)
        try:
            return os.read(handle, _LIST_BYTES) if _is_own(handle) else b""
        finally:
            os.close(handle)

    def _open_own(self) -> int:
        """A file that is nothing but this one: through a link, soft or hard, another one would be written."""
        with suppress(OSError):
            handle = self._folder.open(self._part, _OPEN, 0o666)
            if _is_own(handle) and os.fstat(handle).st_nlink == 1:
                return handle
            os.close(handle)
        self._folder.unlink(self._part)
        return self._folder.open(self._part, _OPEN | os.O_EXCL, 0o666)

    def _open_locked(self) -> int:
        while True:
            handle = self._open_own()
            if not lock(handle):
                os.close(handle)
                raise TransferError(f"{self._target} is being fetched already")
            # Whoever had the lock may have made the same file the target meanwhile: that one must not be written.
            with suppress(FileNotFoundError):
                if os.path.samestat(self._folder.stat(self._part), os.fstat(handle)):
                    return handle
            os.close(handle)


def is_strong_etag(etag: object) -> bool:
    """Whether it tells one version from all others (RFC 9110 section 8.8.3), in characters that no line damages."""
    return isinstance(etag, str) and _STRONG_ETAG.fullmatch(etag) is not None


def _merged(ranges: list[Range], new: Range) -> list[Range]:
    start, end = new
    apart = [each for each in ranges if each[1] < start or each[0] > end]
    touching = [each for each in ranges if not (each[1] < start or each[0] > end)]
    whole = (min([start, *(each[0] for each in touching)]), max([end, *(each[1] for each in touching)]))
    return sorted([*apart, whole])


def _is_own(handle: int) -> bool:
    found = os.fstat(handle)
    return stat.S_ISREG(found.st_mode) and (sys.platform == "win32" or found.st_uid == os.geteuid())
