"""The id of the installation that a folder of stored bytes belongs to, in a file of that folder."""

import errno
import os
import uuid
from contextlib import suppress
from pathlib import Path

from transfer_service.errors import StorageFull, StoreUnavailable
from transfer_service.storage.plain_files import flush_names
from transfer_service.threads import offload

NAME = ".installation"
_MOST_BYTES = 100


class InstallationMark:
    """The mark in one folder (the Mark of `blobs`). It is on the disk before anybody is told that it is written."""

    def __init__(self, root: Path) -> None:
        self._path = root / NAME
        self._was_there = False

    def is_lost(self) -> bool:
        """Whether the mark is not there any more: then this is another folder, such as that of a disk taken away."""
        return self._was_there and not os.path.lexists(self._path)

    def read(self) -> str | None:
        """What the folder says it belongs to, None where it says nothing. Raises StoreUnavailable."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnavailable("The store cannot be read") from error
        self._was_there = True
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_MOST_BYTES).decode(errors="replace").strip()

    def write(self, value: str) -> None:
        """Mark the folder, whatever mark it had. Raises StorageFull, StoreUnavailable."""
        draft = self._path.with_name(f"{NAME}.{uuid.uuid4().hex}")
        offload(lambda: self._put(draft, value))
        self._was_there = True

    def _put(self, draft: Path, value: str) -> None:
        try:
            self._write_draft(draft, value)
            draft.replace(self._path)
            flush_names(self._path.parent)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StorageFull from error
            raise StoreUnavailable("The store cannot be written") from error
        finally:
            with suppress(OSError):
                draft.unlink()

    def _write_draft(self, draft: Path, value: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(draft, flags, 0o640), "w") as file:
            file.write(f"{value}\n")
            file.flush()
            os.fsync(file.fileno())
