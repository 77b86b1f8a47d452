"""Free ports on the loopback interface."""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from itertools import cycle
from pathlib import Path

_FIRST, _BLOCKS, _BLOCK = 21_100, 54, 200
"""Below what Linux gives to clients (ip_local_port_range), and above what the object store of the tests takes."""


def free_port() -> int:
    """A port that nobody listens on right now, and no other process of tests is told of while this one runs."""
    ports = _ports()
    while not _is_free(port := next(ports)):
        pass
    return port


@cache
def _ports() -> Iterator[int]:
    """Those of a block that is this process's alone: whoever starts a stopped server again gets its port again."""
    folder = Path(tempfile.gettempdir()) / f"transfer-service-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for block in random.sample(range(_BLOCKS), _BLOCKS):
        lock = os.open(folder / str(block), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:  # and it stays so until the process ends
            return cycle(range(_FIRST + block * _BLOCK, _FIRST + (block + 1) * _BLOCK))
    raise AssertionError("more processes of tests than blocks of ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
