"""The process that makes previews, as the worker sees it: started when it is needed, and again when it is dead."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import structlog

from transfer_service.previewer.protocol import (
    MISSING,
    MOST_ANSWER_BYTES,
    READY,
    SECONDS,
    Job,
    Made,
    unpack_answer,
)

_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from transfer_service.previewer.__main__ import main; main()"
)
_ROOT = Path(__file__).parents[3]
_START_SECONDS = 60.0
_GRACE_SECONDS = 5.0
_BLOCK_BYTES = 256 * 1024


class MakerDied(Exception):
    """The process was ended while it worked on this file: by a limit, or by a fault that the file has found."""


class MakerStopped(Exception):
    """The process was ended while it worked on this file, or before it could begin, and not by it."""


class MakerMissing(Exception):
    """There is no such process to be had: packages are missing, or it does not start."""


class Maker:
    """The one process, which works on several files at once. Whoever waits here waits on the event loop."""

    def __init__(self, *, seconds: float = SECONDS + _GRACE_SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._in_work = 0
        self._starting = threading.Lock()
        self.used_at = time.monotonic()

    @property
    def process_id(self) -> int | None:
        """Its id, None while there is none."""
        return self._process.pid if self._process else None

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing to do."""
        return not self._in_work

    def make(self, descriptor: int, job: Job) -> Made | None:
        """What is shown of an open file, None where nothing is. Raises MakerDied, MakerStopped, MakerMissing."""
        with self._starting:
            control = self._begin()
            process = self._process
        ours, theirs = socket.socketpair()
        self._in_work += 1
        try:
            with ours:
                with theirs:
                    self._send(control, job, [descriptor, theirs.fileno()])
                data = self._receive(ours, time.monotonic() + self._seconds)
        finally:
            self._in_work -= 1
            self.used_at = time.monotonic()
        if data is None:  # the process had its own alarm, and has not heard it
            self.stop()
            raise MakerDied
        try:
            return unpack_answer(data)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            is_alive = process is self._process and process is not None and process.poll() is None
            if not is_alive:
                self._forget(process)
            raise (MakerDied if is_alive else MakerStopped) from error

    def stop(self) -> None:
        """End the process, with all that it works on."""
        process = self._process
        self._forget(process)
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _forget(self, process: "subprocess.Popen[bytes] | None") -> None:
        if process is self._process:
            if self._control is not None:
                self._control.close()
            self._process = self._control = None

    def _begin(self) -> socket.socket:
        """The socket to a process that is ready. Raises MakerMissing, MakerStopped."""
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self.stop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this program, and no argument of anybody's
                [sys.executable, "-I", "-c", _PROGRAM, str(_ROOT), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={},
                cwd="/",
                start_new_session=True,
            )
        self._control = ours
        ours.settimeout(_START_SECONDS)
        try:
            told = ours.recv(len(MISSING) + 100)
        except TimeoutError:
            told = MISSING + b"it does not start"
        if told != READY:
            self.stop()
            if not told:  # it has ended without a word
                raise MakerStopped
            raise MakerMissing(told.removeprefix(MISSING).decode(errors="replace"))
        structlog.get_logger().info("preview_maker_started", process=self._process.pid)
        return ours

    @staticmethod
    def _send(control: socket.socket, job: Job, descriptors: list[int]) -> None:
        try:
            socket.send_fds(control, [job.pack()], descriptors)
        except OSError as error:
            raise MakerStopped from error

    @staticmethod
    def _receive(answer: socket.socket, until: float) -> bytes | None:
        """All that comes until the other side ends; None where that takes too long, or is too much."""
        blocks: list[bytes] = []
        length = 0
        while True:
            answer.settimeout(max(until - time.monotonic(), 0.001))
            try:
                block = answer.recv(_BLOCK_BYTES)
            except TimeoutError:
                return None
            except OSError:
                block = b""
            if not block:
                return b"".join(blocks)
            blocks.append(block)
            length += len(block)
            if length > MOST_ANSWER_BYTES:
                return None
