"""The data of a Pingvin Share as an origin: its database says which files there are, and under which names."""

import shutil
import sqlite3
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from transfer_service_client.errors import TransferError
from transfer_service_client.folders.walking import Skipped, Unsendable
from transfer_service_client.importers.origin import Found, OriginFile
from transfer_service_client.uploads.local_source import LocalSource

_DATABASE, _SHARES = "pingvin-share.db", "uploads/shares"
_PLACES = ("", "data", "backend/data")  # its container mounts `data`; a clone has it in `backend`
_WAL_AT, _IS_WAL = 18, 2  # of the header of a database (https://www.sqlite.org/fileformat.html)


class _Row(NamedTuple):
    share_id: str
    share_name: str
    storage: str
    file_id: str
    name: str
    size: str


class PingvinOrigin:
    """Each share is a folder, by its name or else its id; files and shares of the same name stay apart by their ids.

    What the database does not name, as an archive that was made for downloads, is no file of a share.
    """

    def __init__(self, folder: Path) -> None:
        """Raises TransferError where its database is not there."""
        places = [folder / each for each in _PLACES]
        found = [each for each in places if (each / _DATABASE).is_file()]
        if not found:
            raise TransferError(f"{folder} has no {_DATABASE}: name the data folder of Pingvin Share")
        self._data = found[0]

    def found(self) -> Iterator[Found]:
        """What is there. Raises TransferError where the database cannot be read."""
        folders: dict[str, str] = {}
        taken: set[str] = set()
        for row in self._rows():
            if row.share_id not in folders:
                folders[row.share_id] = _apart(_folder_name(row), "", row.share_id, taken)
            folder = folders[row.share_id]
            stem, dot, ending = row.name.rpartition(".")
            parts = (f"{folder}/{stem}", f"{dot}{ending}") if stem else (f"{folder}/{row.name}", "")
            yield self._found(row, _apart(*parts, row.file_id, taken))

    def close(self) -> None:
        """Nothing is held."""

    def _found(self, row: _Row, name: str) -> Found:
        if row.storage == "S3":
            return Skipped(name, "It lies in a bucket, where `transfer import s3` fetches it from")
        if "/" in row.name or not (_is_label(row.share_id) and _is_label(row.file_id)):
            return Unsendable(name, TransferError("Its name or its id has a slash, or is no name at all"))
        path = self._data / _SHARES / row.share_id / row.file_id
        try:
            size = path.lstat().st_size
        except (OSError, ValueError):
            return Unsendable(name, TransferError("The database names it, and its bytes are not there"))
        if path.is_symlink() or path.parent.is_symlink() or not path.is_file():  # Pingvin Share itself makes none
            return Unsendable(name, TransferError("What lies there is a link, or no file"))
        if row.size != str(size):
            return Unsendable(name, TransferError(f"It has {size} bytes, and {row.size} by the database"))
        return OriginFile(name, size, partial(LocalSource, path))

    def _rows(self) -> list[_Row]:
        """All at once: the database is not held while files are sent."""
        try:
            with _opened(self._data / _DATABASE) as database:
                columns = {row[1] for row in database.execute("PRAGMA table_info('Share')")}
                name = "s.name" if "name" in columns else "NULL"  # since May 2024
                storage = "s.storageProvider" if "storageProvider" in columns else "'LOCAL'"  # since December 2024
                query = (
                    f"SELECT s.id, {name}, {storage}, f.id, f.name, f.size "  # noqa: S608 # one of those two
                    "FROM File f JOIN Share s ON s.id = f.shareId ORDER BY s.createdAt, s.id, f.createdAt, f.id"
                )
                return [_Row(*map(_text, row)) for row in database.execute(query)]
        except (sqlite3.Error, OSError) as error:
            raise TransferError(f"{self._data / _DATABASE} cannot be read: {error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A database, read without a change of anything beside it: where that has a log, a copy of both is read."""
    logs = [path.with_name(path.name + ending) for ending in ("-wal", "-journal")]
    with path.open("rb") as file:
        is_wal = file.read(_WAL_AT + 1)[_WAL_AT:] == bytes([_IS_WAL])
    if not is_wal and not any(each.exists() and each.stat().st_size for each in logs):
        with closing(_connected(path, "ro")) as database:
            yield database
        return
    with tempfile.TemporaryDirectory(prefix="transfer-") as folder:
        for each in (path, *logs):
            if each.exists():
                shutil.copyfile(each, Path(folder) / each.name)
        with closing(_connected(Path(folder) / path.name, "rw")) as database:
            yield database


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True)
    database.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    return database


def _text(value: object) -> str:
    """What a column holds, whatever its kind says: SQLite does not insist on those."""
    return "" if value is None else value if isinstance(value, str) else str(value)


def _folder_name(row: _Row) -> str:
    name = row.share_name.strip()
    return name if _is_label(name) else row.share_id


def _apart(stem: str, ending: str, own_id: str, taken: set[str]) -> str:
    name = stem + ending
    if unicodedata.normalize("NFC", name) in taken:
        name = f"{stem} ({own_id}){ending}"
    taken.add(unicodedata.normalize("NFC", name))
    return name


def _is_label(text: str) -> bool:
    return text not in {"", ".", ".."} and not set(text) & {"/", "\\", "\0"}
