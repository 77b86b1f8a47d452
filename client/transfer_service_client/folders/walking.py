"""What is to be sent: the files below local paths, and their names at the service (NFC, as it keeps them)."""

import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from transfer_service_client.errors import TransferError
from transfer_service_client.folders.excluding import NOTHING, Excluding


@dataclass(frozen=True)
class LocalFile:
    """A file here, and its name there."""

    path: Path
    name: str
    size: int


@dataclass(frozen=True)
class LocalFolder:
    """A folder here, and its path there."""

    path: Path
    name: str
    is_empty: bool


@dataclass(frozen=True)
class Skipped:
    """Neither a file nor a folder: a link to a folder, a device, a pipe, a socket."""

    name: str
    reason: str


@dataclass(frozen=True)
class Unsendable:
    """What cannot be read or named: `name` is text that can be printed, its name there where it can have one."""

    name: str
    error: TransferError


Found = LocalFile | LocalFolder | Skipped | Unsendable


@dataclass(frozen=True)
class Root:
    """A path that somebody asked for, and its name there (of a folder: what is in it has names below that)."""

    path: Path
    name: str
    is_folder: bool


def roots(paths: Iterable[str], *, to: str = "") -> Iterator[Root | Unsendable]:
    """What the paths of a command stand for in the folder `to`.

    A folder keeps its own name there; with a slash at its end only what is in it is sent.
    """
    for text in paths:
        path = Path(text)
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
            is_content = text.endswith(("/", os.sep)) or path.name in {"", ".."}
            own = path.resolve().name if path.name in {"", ".."} else path.name
        except OSError as error:
            yield _unreadable(shown(text), error)
            continue
        name = to if is_folder and is_content else joined(to, _normal(own))
        yield Root(path, name, is_folder) if is_text(name) else _unnamed(shown(text))


def walk(root: Root, taken: set[str] | None = None, *, exclude: Excluding = NOTHING) -> Iterator[Found]:
    """What is there, in the order of names. Links to files are followed, links to folders are not.

    What cannot be read or named is told, and the rest goes on. `taken` has the names that other roots have, and gets
    those of this one: none is given twice. What is excluded below the root is not told.
    """
    if root.is_folder:
        found = _below(root.path, root.name, exclude)
    else:
        try:
            found = iter([_asked_for(root, _file(root.path, root.name, root.path.stat()))])
        except OSError as error:
            found = iter([_unreadable(shown(root.path), error)])
    for each in found:
        if taken is not None and isinstance(each, LocalFile):
            if each.name in taken:
                yield Unsendable(each.name, TransferError(f"{shown(each.path)} would be a second file of this name"))
                continue
            taken.add(each.name)
        yield each


def shown(path: str | Path) -> str:
    """A path as text: bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def is_text(name: str) -> bool:
    """Whether a local name is UTF-8, so that it can be a name there."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # bytes of a name that are not UTF-8 (PEP 383)
        return False
    return True


def _below(top: Path, top_name: str, exclude: Excluding) -> Iterator[Found]:
    above = len(top_name) + 1 if top_name else 0
    waiting = [(top, top_name)]
    while waiting:
        folder, name = waiting.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield _unreadable(name or shown(folder), error)
            continue
        if exclude:
            entries = [entry for entry in entries if not _is_excluded(entry, name[above:], exclude)]
        if name:
            yield LocalFolder(folder, name, is_empty=not entries)
        inner: list[tuple[Path, str]] = []
        for found in _entries(entries, name):
            if isinstance(found, tuple):
                inner.append(found)
            else:
                yield found
        waiting += reversed(inner)


def _is_excluded(entry: "os.DirEntry[str]", folder: str, exclude: Excluding) -> bool:
    try:
        is_folder = entry.is_dir()
    except OSError:  # whoever sends it tells why
        is_folder = False
    return exclude.has(joined(folder, _normal(entry.name)), is_folder=is_folder)


def _entries(entries: "list[os.DirEntry[str]]", folder: str) -> Iterator[Found | tuple[Path, str]]:
    """What lies in a folder; of a folder in it its path and name."""
    taken: set[str] = set()
    for entry in entries:
        path, own = Path(entry.path), _normal(entry.name)
        name = joined(folder, own)
        if not is_text(own):
            yield _unnamed(shown(name))
            continue
        try:
            if own in taken:
                twice = TransferError("It is there twice, in other characters for the same letters")
                yield Unsendable(name, twice)
            elif entry.is_dir(follow_symlinks=False):
                yield path, name
            else:
                yield _file(path, name, entry.stat())
        except OSError as error:
            yield _unreadable(name, error)
        taken.add(own)


def _file(path: Path, name: str, facts: os.stat_result) -> Found:
    if stat.S_ISDIR(facts.st_mode):
        return Skipped(name, "A link to a folder is not followed")
    if not stat.S_ISREG(facts.st_mode):
        return Skipped(name, "It is no file")
    return LocalFile(path, name, facts.st_size)


def _asked_for(root: Root, found: Found) -> Found:
    """What somebody named is not passed over without a word."""
    return Unsendable(shown(root.path), TransferError(found.reason)) if isinstance(found, Skipped) else found


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _unnamed(name: str) -> Unsendable:
    return Unsendable(name, TransferError("Its name is not UTF-8"))


def _unreadable(name: str, error: OSError) -> Unsendable:
    return Unsendable(name, TransferError(error.strerror or "It cannot be read"))


def joined(folder: str, name: str) -> str:
    """A name in a folder; "" is the top."""
    return f"{folder}/{name}" if folder else name
