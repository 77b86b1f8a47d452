"""How transfers are told of: counts for the summary, plain lines, lines of JSON."""

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from transfer_service_client.cli.terminal import human_size
from transfer_service_client.folders.outcome import Outcome

if TYPE_CHECKING:
    from transfer_service_client.cli.output import Output

READ = "read"
"""What is done with files that are compared only."""
_LINE_SECONDS, _JSON_SECONDS = 30.0, 1.0


@dataclass
class Transfer:
    """One that is under way."""

    size: int
    position: int = 0
    told_at: float = 0.0


class Listener:
    """Counts, and prints errors: all that `--quiet` shows. It may be called by many threads at once."""

    def __init__(self, output: "Output", verb: str) -> None:
        self.verb = verb
        self.counts = Outcome()
        self.moved_bytes = 0
        self._output = output
        self._guard = threading.RLock()
        self._running: dict[str, Transfer] = {}
        self._began_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has been at it."""
        return time.monotonic() - self._began_at

    def begin(self, name: str, size: int) -> None:
        """A transfer begins."""
        with self._guard:
            self._running[name] = transfer = Transfer(size, told_at=time.monotonic())
            self._show_begin(name, transfer)

    def advance(self, name: str, count: int) -> None:
        """Bytes went over the line."""
        with self._guard:
            self.moved_bytes += count
            transfer = self._running.get(name)
            if transfer is not None:
                transfer.position += count
                self._show_position(name, transfer, count)

    def restart(self, name: str, position: int) -> None:
        """It goes on from here."""
        with self._guard:
            transfer = self._running.get(name)
            if transfer is not None:
                transfer.position = position
                self._show_restart(name, transfer)

    def done(self, name: str, *, was_moved: bool) -> None:
        """It is there."""
        with self._guard:
            transfer = self._running.pop(name, Transfer(0))
            self.counts.count(was_moved=was_moved)
            self._show_done(name, transfer, was_moved=was_moved)

    def failed(self, name: str, error: Exception) -> None:
        """It was given up."""
        with self._guard:
            transfer = self._running.pop(name, Transfer(0))
            self.counts.failed += 1
            self._output.problem(problem_with(name, error))
            self._show_failed(name, transfer, error)

    def print_line(self, stream: TextIO, line: str) -> None:
        """Print a line; whoever draws bars does it above them."""
        with self._guard:
            stream.write(f"{line}\n")
            stream.flush()

    def close(self) -> None:
        """Nothing more is told."""

    def _show_begin(self, name: str, transfer: Transfer) -> None: ...

    def _show_position(self, name: str, transfer: Transfer, count: int) -> None: ...

    def _show_restart(self, name: str, transfer: Transfer) -> None: ...

    def _show_done(self, name: str, transfer: Transfer, *, was_moved: bool) -> None: ...

    def _show_failed(self, name: str, transfer: Transfer, error: Exception) -> None: ...


class Lines(Listener):
    """A line for each that was moved, and now and then one for those that take long."""

    def _show_position(self, name: str, transfer: Transfer, count: int) -> None:  # noqa: ARG002
        now = time.monotonic()
        if now - transfer.told_at >= _LINE_SECONDS and transfer.size:
            transfer.told_at = now
            share = f"{100 * transfer.position // transfer.size} %"
            self._output.remark(f"{share} of {name} ({human_size(transfer.position)} of {human_size(transfer.size)})")

    def _show_done(self, name: str, transfer: Transfer, *, was_moved: bool) -> None:
        if was_moved:
            self._output.remark(f"{self.verb} {name} ({human_size(transfer.size)})")


class JsonLines(Listener):
    """An object for each event: `begin`, `progress`, `restart`, `done` and `failed`, each with `name`."""

    def _show_begin(self, name: str, transfer: Transfer) -> None:
        self._output.remark("", event="begin", name=name, size=transfer.size)

    def _show_position(self, name: str, transfer: Transfer, count: int) -> None:  # noqa: ARG002
        now = time.monotonic()
        if now - transfer.told_at >= _JSON_SECONDS:
            transfer.told_at = now
            self._output.remark("", event="progress", name=name, size=transfer.size, position=transfer.position)

    def _show_restart(self, name: str, transfer: Transfer) -> None:
        if transfer.position:
            self._output.remark("", event="restart", name=name, size=transfer.size, position=transfer.position)

    def _show_done(self, name: str, transfer: Transfer, *, was_moved: bool) -> None:
        self._output.remark("", event="done", name=name, size=transfer.size, moved=was_moved)

    def _show_failed(self, name: str, transfer: Transfer, error: Exception) -> None:  # noqa: ARG002
        self._output.remark("", event="failed", name=name, error=reason_of(error))


def problem_with(name: str, error: Exception) -> str:
    """An error of one of many, which says whose it is."""
    reason = reason_of(error)
    return reason if reason.startswith(name) else f"{name}: {reason}"


def reason_of(error: Exception) -> str:
    """An error in words: those of the system without their number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
