"""What somebody does not want to be sent, compared or deleted, by patterns of its names."""

import re
import unicodedata
from collections.abc import Iterable
from fnmatch import translate


class Excluding:
    """Patterns of the shell: `*`, `?`, `[abc]`.

    One without a slash is of a name, at any depth: `*.tmp`, `node_modules`. One with a slash is of a path from the
    folder that is sent on: `/build`, `a/*.log`; there `*` takes slashes as well. One with a slash at its end is of
    folders only. A folder that is excluded is excluded with all that is in it.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._rules = [_Rule(pattern) for pattern in patterns if pattern.strip("/")]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def has(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path below the folder is excluded by itself; what is above it is not looked at."""
        return any(rule.is_of(path, is_folder=is_folder) for rule in self._rules)

    def top_of(self, path: str, *, is_folder: bool) -> str | None:
        """The highest path that is excluded, of this one and the folders that it is in."""
        labels = path.split("/") if self._rules else []
        for count in range(1, len(labels) + 1):
            above = "/".join(labels[:count])
            if self.has(above, is_folder=is_folder or count < len(labels)):
                return above
        return None


class _Rule:
    def __init__(self, pattern: str) -> None:
        normal = unicodedata.normalize("NFC", pattern)
        self._is_of_folders = normal.endswith("/")
        self._is_of_paths = "/" in normal.rstrip("/")
        self._matches = re.compile(translate(normal.strip("/"))).match

    def is_of(self, path: str, *, is_folder: bool) -> bool:
        if self._is_of_folders and not is_folder:
            return False
        return self._matches(path if self._is_of_paths else path.rpartition("/")[2]) is not None


NOTHING = Excluding()
