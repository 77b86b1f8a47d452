"""The id of the installation that a folder of stored bytes belongs to, in a file of that folder."""

import errno
import os
import uuid
from contextlib import suppress
from pathlib import Path

from transfer_service.errors import StorageFull, StoreUnavailable

NAME = ".installation"
_MOST_BYTES = 100


class InstallationMark:
    """The mark in one folder. It is on the disk before anybody is told that it is written."""

    def __init__(self, root: Path) -> None:
        self._path = root / NAME

    def read(self) -> str | None:
        """What the folder says it belongs to, None where it says nothing. Raises StoreUnavailable."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnavailable("The store cannot be read") from error
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_MOST_BYTES).decode(errors="replace").strip()

    def write(self, value: str) -> None:
        """Mark the folder, whatever mark it had. Raises StorageFull, StoreUnavailable."""
        draft = self._path.with_name(f"{NAME}.{uuid.uuid4().hex}")
        try:
            self._write_draft(draft, value)
            draft.replace(self._path)
            self._sync_folder()
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

    def _sync_folder(self) -> None:
        descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
