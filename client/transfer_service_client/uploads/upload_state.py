"""Where an upload goes on after its program has ended: one small file for each in the user's state folder."""

import hashlib
import json
import os
import re
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from transfer_service_client.connection.credentials import state_folder
from transfer_service_client.locking import lock

_KEPT_SECONDS = 30 * 86400.0  # services keep what is idle for a day, if nobody says otherwise
_ID = re.compile(r"[\w-]{1,200}", re.ASCII)


class UploadState:
    """The id of an unfinished upload, found by what is sent from where to where.

    One process at a time may hold it: another one that sends the same begins an upload of its own, or both would end
    each other's requests.
    """

    def __init__(self, *parts: str | int, folder: Path | None = None) -> None:
        """`parts` tell this upload from all others: server, account, path, size, time of change, name there."""
        self._path = (folder or state_folder() / "uploads") / f"{digest_of(*parts)}.json"
        self._lock: IO[str] | None = None

    def __enter__(self) -> "UploadState":
        with suppress(OSError):  # no place for it: the upload itself needs none
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _prune(self._path.parent)
            self._lock = _locked(self._path.with_suffix(".lock"))
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is None:
            return
        if not self._path.exists():
            with suppress(OSError):
                self._path.with_suffix(".lock").unlink()
        self._lock.close()
        self._lock = None

    @property
    def is_held(self) -> bool:
        """Whether it is this process's, so that what is written is kept."""
        return self._lock is not None

    def read(self) -> str | None:
        """The id of the upload to go on with, None where there is none."""
        if self._lock is None:
            return None
        try:
            upload_id = json.loads(self._path.read_text("utf-8"))["upload_id"]
        except (OSError, ValueError, KeyError, TypeError):  # begun anew: what is there is only a help
            return None
        return upload_id if isinstance(upload_id, str) and _ID.fullmatch(upload_id) else None

    def write(self, upload_id: str) -> None:
        """Keep the id, in one step; where there is no room for it, a next run begins anew."""
        if self._lock is None:
            return
        with suppress(OSError):
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".upload-")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump({"upload_id": upload_id}, file)
                Path(name).replace(self._path)
            except BaseException:
                with suppress(OSError):
                    Path(name).unlink()
                raise

    def forget(self) -> None:
        """The upload has ended."""
        if self._lock is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


def digest_of(*parts: str | int) -> str:
    """A name that tells these from all others, and does not tell what they are."""
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _locked(path: Path) -> IO[str] | None:
    """The file, held by this process; None where another one holds it."""
    while True:
        file = path.open("a")
        if not lock(file):
            file.close()
            return None
        with suppress(FileNotFoundError):
            # Whoever held it may have removed it meanwhile: somebody else holds the one that is there by now.
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        file.close()


def _prune(folder: Path) -> None:
    """Remove what was written so long ago that no service has its upload any more."""
    limit = time.time() - _KEPT_SECONDS
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_file(follow_symlinks=False) and entry.stat().st_mtime < limit:
                    Path(entry.path).unlink()
