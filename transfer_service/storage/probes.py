"""Whether a folder can be written."""

import errno
import os
from pathlib import Path

PROBE_NAME = ".probe"
_NOT_HERE = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})
"""What file systems answer that know no files without a name (O_TMPFILE, open(2))."""


def write_probe(folder: Path) -> None:
    """Write a little into a folder, and leave nothing there, also where the process is killed meanwhile.

    Raises OSError. Where a file needs a name, one and the same is used by everybody, again and again.
    """
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(folder / PROBE_NAME, flags, 0o600)
    try:
        os.write(descriptor, b"ok")
    finally:
        os.close(descriptor)
