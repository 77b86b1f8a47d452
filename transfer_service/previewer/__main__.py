"""`python -m transfer_service.previewer DESCRIPTOR`: makes what is asked for over that socket until it ends."""

import base64
import io
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import BinaryIO

from transfer_service.previewer import confinement
from transfer_service.previewer.protocol import MISSING, READY, Job, Made, NotShown, pack_answer

MOST_JOB_BYTES = 64
DESCRIPTORS = 2
_A_PICTURE = base64.b64decode("R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs=")
"""A GIF of one pixel."""


def main() -> None:
    """Load, tell that, and fork for each job."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.setblocking(True)  # an event loop has made it
    try:
        from transfer_service.previewer import rendering  # optional packages
    except ImportError as error:
        control.send(MISSING + str(error.name).encode())
        return
    rendering.load()
    if not _rehearse():
        control.send(MISSING + b"it cannot be confined here")
        return
    _volunteer()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    control.send(READY)
    own = os.getpid()
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, MOST_JOB_BYTES, DESCRIPTORS)
        if not data:
            return
        if os.fork() == 0:
            control.close()
            _work(Job.unpack(data), *descriptors, parent=own)
        for descriptor in descriptors:
            os.close(descriptor)


def _rehearse() -> bool:
    """Whether a fork can take all limits upon itself, and still work."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            confinement.confine(is_urgent=False)
            _render(io.BytesIO(_A_PICTURE))
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def _volunteer() -> None:
    """Where memory runs out, the kernel ends this process before any other one."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _work(job: Job, descriptor: int, answer: int, *, parent: int) -> None:
    """Make one preview, tell it and end. Never returns."""
    status = 1
    try:
        os.set_blocking(answer, True)
        confinement.die_with_parent(parent)
        confinement.confine(is_urgent=job.is_urgent)
        _answer(answer, _make(descriptor))
        status = 0
    finally:
        os._exit(status)


def _render(file: BinaryIO) -> Made:
    from transfer_service.previewer.rendering import render  # loaded already

    return render(file)


def _make(descriptor: int) -> bytes:
    """The answer to a job. What a decoder makes of hostile bytes may be any error: there is no preview then."""
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(0)
        try:
            return pack_answer(_render(file))
        except (NotShown, Exception):  # noqa: BLE001
            return pack_answer(None)


def _answer(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


if __name__ == "__main__":
    main()
