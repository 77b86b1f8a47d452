"""Paths in archives: what names of files become, so that every system can unpack them, each to a place of its own.

The rules of NAME (docs/folders.md) leave no way out of the folder that somebody unpacks to, and no backslash, control
character or `..`. Windows cannot have some more: reserved characters, among them the colon of drives and streams, names
of devices, and dots or spaces at the end of a label. They become underscores, as in other products' archives: whoever
downloads may sit there, and would lose the file or, with `C:/…`, write elsewhere. Paths that systems would take for one
because they do not tell cases apart get numbers like those that are the same.
"""

import re
from hashlib import blake2b

from transfer_service.wire.filenames import MAX_LABEL_BYTES, numbered_name

_RESERVED = str.maketrans(dict.fromkeys('<>:"|?*', "_"))
_ENDS_BADLY = re.compile(r"[. ]+$")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)", re.IGNORECASE)


def safe_label(label: str) -> str:
    """A label as Windows can have it too."""
    plain = label.translate(_RESERVED)
    plain = _ENDS_BADLY.sub(lambda match: "_" * len(match[0]), plain)
    return _cut(f"_{plain}") if _DEVICE.match(plain) else plain


def safe_path(path: str) -> str:
    """The same for a path."""
    return "/".join(map(safe_label, path.split("/")))


def _cut(label: str) -> str:
    return label.encode()[:MAX_LABEL_BYTES].decode(errors="ignore")


class ZipPaths:
    """Gives out the paths of one archive. Folders must be named before the files."""

    def __init__(self) -> None:
        self._taken: set[int] = set()  # digests: a hundred thousand paths would take ten times the memory
        self._numbers: dict[int, int] = {}

    def is_taken(self, path: str) -> bool:
        """Whether something has this path, which is safe already."""
        return _key(path) in self._taken

    def root(self, label: str) -> str:
        """That of a folder whose contents go into the archive, by its own label, with a number where that is taken."""
        return self._take("", safe_label(label))

    def folder(self, path: str) -> str:
        """That of a folder below a root: two that are one in other systems become one."""
        path = safe_path(path)
        self._taken.add(_key(path))
        return path

    def file(self, folder: str, label: str) -> str:
        """That of a file in a folder, whose path is safe already, empty for the top."""
        return self._take(f"{folder}/" if folder else "", safe_label(label))

    def _take(self, folder: str, label: str) -> str:
        path = f"{folder}{label}"
        key = _key(path)
        if key in self._taken:
            number = self._numbers.get(key, 2)
            while _key(path := f"{folder}{numbered_name(label, number)}") in self._taken:
                number += 1
            self._numbers[key] = number + 1
        self._taken.add(_key(path))
        return path


def _key(path: str) -> int:
    """What stands for a path, and for all that some system would take for the same one."""
    return int.from_bytes(blake2b(path.casefold().encode(), digest_size=8).digest())
