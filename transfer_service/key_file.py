"""The file in the data folder that holds the keys of a service whose operator has set none.

The first line is the key that signs. Each other line is one that verifies: `next KEY`, which will sign after the next
rotation, or `previous KEY`. The file is replaced in one step, so whoever starts meanwhile sees it before or after.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

MIN_KEY_BYTES = 32
_NEXT, _PREVIOUS = "next", "previous"


@dataclass(frozen=True, slots=True)
class Keys:
    """The key that signs, the one that is to follow, and those that went before, the latest first."""

    signing: str
    prepared: str | None = None
    previous: tuple[str, ...] = ()

    @property
    def verifying(self) -> list[str]:
        """All that only verify."""
        return [*([self.prepared] if self.prepared else []), *self.previous]


def read_or_make_keys(path: Path) -> Keys:
    """The keys of the file, or a first one: mode 0600, and the same for processes that start together.

    Raises ValueError where the file is damaged.
    """
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if not path.exists():
        draft = _write_draft(path, _new_key())
        try:
            with suppress(FileExistsError):  # another process was first: then its key counts
                os.link(draft, path)
        finally:
            draft.unlink()
    return read_keys(path)


def read_keys(path: Path) -> Keys:
    """The keys of a file. Raises ValueError where it is damaged."""
    text = path.read_bytes().decode("utf-8", "replace")
    signing, *others = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    by_use: dict[str, list[str]] = {"": [signing], _NEXT: [], _PREVIOUS: []}
    for line in others:
        use, _, key = line.partition(" ")
        by_use.setdefault(use, []).append(key)
    every_key = [key for keys in by_use.values() for key in keys]
    if len(by_use) > 3 or len(by_use[_NEXT]) > 1 or any(len(key.encode()) < MIN_KEY_BYTES for key in every_key):
        raise ValueError("is damaged")
    return Keys(signing, next(iter(by_use[_NEXT]), None), tuple(by_use[_PREVIOUS]))


def prepare_key(path: Path) -> None:
    """Add the key of the next rotation, which verifies from now on. Raises ValueError where there is one already."""
    with _alone(path):
        keys = read_keys(path)
        if keys.prepared is not None:
            raise ValueError("The next key is prepared already")
        _replace(path, Keys(keys.signing, _new_key(), keys.previous))


def rotate_key(path: Path) -> bool:
    """Let the prepared key sign, or else a new one; the one before verifies on. Whether one was prepared."""
    with _alone(path):
        keys = read_keys(path)
        _replace(path, Keys(keys.prepared or _new_key(), None, (keys.signing, *keys.previous)))
    return keys.prepared is not None


def forget_previous_keys(path: Path) -> int:
    """Leave the key that signs, and the one that is prepared. How many have gone."""
    with _alone(path):
        keys = read_keys(path)
        if keys.previous:
            _replace(path, Keys(keys.signing, keys.prepared))
    return len(keys.previous)


def _new_key() -> str:
    return secrets.token_urlsafe(48)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While no other process changes the file. What is locked is its folder: the file itself is replaced."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
        os.fsync(folder)
    finally:
        os.close(folder)


def write_keys(path: Path, keys: Keys) -> None:
    """Put these keys into a file, in place of what it has."""
    _write_draft(path, _text_of(keys)).replace(path)


def _text_of(keys: Keys) -> str:
    lines = [keys.signing, *([f"{_NEXT} {keys.prepared}"] if keys.prepared else [])]
    return "\n".join([*lines, *(f"{_PREVIOUS} {key}" for key in keys.previous)])


def _replace(path: Path, keys: Keys) -> None:
    draft = _write_draft(path, _text_of(keys))
    try:
        owner = path.stat()
        if os.geteuid() == 0:  # or the service, which is another account's, could not read its keys any more
            os.chown(draft, owner.st_uid, owner.st_gid)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _write_draft(path: Path, text: str) -> Path:
    """The text in a file beside `path`, mode 0600 and flushed."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft
