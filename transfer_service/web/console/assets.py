"""The files that pages load, at addresses that change with their content: so browsers keep them for good."""

import hashlib
from functools import cache
from pathlib import Path

from transfer_service.web.addresses import own_path

STATIC = Path(__file__).parents[1] / "static"
FOLDERS = ("console", "sharing", "vendor")
_DIGEST_CHARACTERS = 12


@cache
def digest() -> str:
    """What all of them are, in a few characters. Read once for a process."""
    sum_of_all = hashlib.sha256()
    for path in sorted(path for folder in FOLDERS for path in (STATIC / folder).rglob("*") if path.is_file()):
        content = path.read_bytes()
        sum_of_all.update(f"{path.relative_to(STATIC).as_posix()}\0{len(content)}\0".encode())
        sum_of_all.update(content)
    return sum_of_all.hexdigest()[:_DIGEST_CHARACTERS]


def assets_path() -> str:
    """Where all of them are: the path that their folders follow."""
    return own_path(f"/assets/{digest()}")
