"""Folders that are still there after a power loss."""

import os
from pathlib import Path


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, which survive power loss from now on."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=0o750, exist_ok=True)
        flush_names(path.parent)


def flush_names(folder: Path) -> None:
    """Return when the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
