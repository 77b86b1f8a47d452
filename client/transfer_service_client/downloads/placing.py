"""Where files of the service go on this disk: always below one folder, whatever their names say.

A name from the service is input like any other: `..`, a drive letter, a device of Windows, a link in the way or a
second name that the disk takes for the first one would each write to another place than the one that was meant.
"""

import hashlib
import os
import re
import sys
import threading
import unicodedata
import uuid
from pathlib import Path

from transfer_service_client.errors import TransferError

_RESERVED = re.compile(r"\.transfer-[0-9a-f]{32}\.(part|json|new)")
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])[ ]*(\..*)?", re.IGNORECASE | re.DOTALL)
_FORBIDDEN_BY_WINDOWS = frozenset('<>:"|?*')
_FIRST_PRINTABLE = " "


class UnsafeName(TransferError):
    """A name that cannot be a path below the folder that was asked for."""


def part_stem(label: str) -> str:
    """How the unfinished file beside `label` is called, without its suffix: short, however long `label` is."""
    return f".transfer-{hashlib.sha256(label.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}"


def labels_of(name: str, *, is_windows: bool = sys.platform == "win32") -> list[str]:
    """The labels of a name, each fit for a disk. Raises UnsafeName."""
    labels = name.split("/")
    for label in labels:
        problem = _problem_of(label) or (_problem_at_windows(label) if is_windows else None)
        if problem:
            raise UnsafeName(f"{name!r} cannot be a file here: {problem}")
    return labels


class TargetFolder:
    """A folder that files are put into. It may be used by many threads at once."""

    def __init__(
        self, root: Path, *, ignores_case: bool | None = None, is_windows: bool = sys.platform == "win32"
    ) -> None:
        """Make the folder where it is not there. `ignores_case`: whether its disk does; None finds that out."""
        root.mkdir(parents=True, exist_ok=True)
        self.root = Path(os.path.realpath(root))  # a link that its owner asked for by name is no link in the way
        self._is_windows = is_windows
        self._ignores_case = _ignores_case(self.root) if ignores_case is None else ignores_case
        self._taken: dict[str, str] = {}
        self._lock = threading.Lock()

    def place(self, name: str) -> Path:
        """The path for a file of that name; folders above it are made. Raises UnsafeName, OSError."""
        labels = self._claim(name)
        path = self._make_folders(name, labels[:-1]) / labels[-1]
        if path.is_dir() and not path.is_symlink():
            raise UnsafeName(f"{name!r} cannot be a file here: a folder has this name")
        return path

    def make_folder(self, name: str) -> Path:
        """The path of a folder of that name, which is made where it is not there. Raises UnsafeName, OSError."""
        return self._make_folders(name, self._claim(name))

    def _claim(self, name: str) -> list[str]:
        """Refuse a name that the disk takes for one of before, in any of its folders."""
        labels = labels_of(name, is_windows=self._is_windows)
        with self._lock:
            for count in range(1, len(labels) + 1):
                path = "/".join(labels[:count])
                first = self._taken.setdefault(self._folded(path), path)
                if first != path:
                    raise UnsafeName(f"{name!r} cannot be beside {first!r}: this disk takes both for one")
        return labels

    def _folded(self, path: str) -> str:
        return (
            unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold()) if self._ignores_case else path
        )

    def _make_folders(self, name: str, labels: list[str]) -> Path:
        path = self.root
        for label in labels:
            path = path / label
            try:
                path.mkdir(exist_ok=True)
            except FileExistsError as error:
                raise UnsafeName(f"{name!r} cannot be here: {path} is no folder") from error
            if os.path.normcase(os.path.realpath(path)) != os.path.normcase(path):  # junctions of Windows too
                raise UnsafeName(f"{name!r} cannot be here: {path} is a link")
        return path


def _problem_of(label: str) -> str | None:
    if label in {"", ".", ".."}:
        return "a part of it is empty or made of dots"
    if "\\" in label or any(character < _FIRST_PRINTABLE or character == "\x7f" for character in label):
        return "it has a backslash or a control character"
    try:
        label.encode("utf-8")
    except UnicodeEncodeError:
        return "it is no UTF-8"
    if _RESERVED.fullmatch(label.casefold()):
        return "names of this kind are kept for unfinished downloads"
    return None


def _problem_at_windows(label: str) -> str | None:
    if _FORBIDDEN_BY_WINDOWS & set(label):
        return 'Windows allows no <>:"|?* in names'
    if label[-1] in " .":
        return "Windows drops a dot or space at the end"
    return "Windows has a device of this name" if _DEVICE.fullmatch(label) else None


def _ignores_case(folder: Path) -> bool:
    probe = folder / f".Transfer-{uuid.uuid4().hex}"
    try:
        probe.touch(exist_ok=False)
    except OSError:
        return True  # the careful answer; writing will tell what is wrong
    try:
        return (folder / probe.name.lower()).exists()
    finally:
        probe.unlink(missing_ok=True)
