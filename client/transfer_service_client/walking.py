"""What is to be sent: the files below local paths, and the names that they get at the service."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from transfer_service_client.errors import TransferError


@dataclass(frozen=True)
class LocalFile:
    """A file here, and its name there."""

    path: Path
    name: str


@dataclass(frozen=True)
class LocalFolder:
    """A folder without anything in it, and its path there."""

    path: Path
    name: str


@dataclass(frozen=True)
class Unsendable:
    """Something that cannot be sent: `shown` is its path as text that can be printed."""

    shown: str
    error: TransferError


Found = LocalFile | LocalFolder | Unsendable


def walk(paths: Iterable[str], *, to: str = "") -> Iterator[Found]:
    """What is in `paths`, in the order of names, each with its name in the folder `to`.

    A folder keeps its own name there; with a slash at its end only what is in it is sent. Links to files are followed,
    links to folders are not. What cannot be read or named is told and the rest goes on.
    """
    for text in paths:
        path = Path(text)
        try:
            is_folder = path.is_dir()
            is_content = text.endswith(("/", os.sep)) or path.name in {"", ".."}
            own = path.resolve().name if path.name in {"", ".."} else path.name
            name = to if is_folder and is_content else _joined(to, own)
            if is_folder:
                yield from _below(path, name)
            else:
                yield _file(path, name, path.stat())
        except OSError as error:
            yield _unreadable(path, error)


def shown(path: Path) -> str:
    """A path as text: bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def _below(top: Path, top_name: str) -> Iterator[Found]:
    waiting = [(top, top_name)]
    while waiting:
        folder, name = waiting.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield _unreadable(folder, error)
            continue
        if not entries and name:
            yield LocalFolder(folder, name) if _is_text(name) else _unnamed(folder)
        inner: list[tuple[Path, str]] = []
        for entry in entries:
            path = Path(entry.path)
            try:
                if entry.is_dir(follow_symlinks=False):
                    inner.append((path, _joined(name, entry.name)))
                else:
                    yield _file(path, _joined(name, entry.name), entry.stat())
            except OSError as error:
                yield _unreadable(path, error)
        waiting += reversed(inner)


def _file(path: Path, name: str, facts: os.stat_result) -> Found:
    if stat.S_ISDIR(facts.st_mode):
        return Unsendable(shown(path), TransferError("A link to a folder is not followed"))
    if not stat.S_ISREG(facts.st_mode):
        return Unsendable(shown(path), TransferError("It is no file"))
    return LocalFile(path, name) if _is_text(name) else _unnamed(path)


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # bytes of a name that are not UTF-8 (PEP 383)
        return False
    return True


def _unnamed(path: Path) -> Unsendable:
    return Unsendable(shown(path), TransferError("Its name is not UTF-8"))


def _unreadable(path: Path, error: OSError) -> Unsendable:
    return Unsendable(shown(path), TransferError(error.strerror or "It cannot be read"))


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
