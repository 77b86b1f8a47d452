"""What became of many files: counts, and the first errors, so that it stays small for any number of files."""

import threading
from dataclasses import dataclass, field

from transfer_service_client.progress import SILENT, Progress

KEPT = 1000
"""So many errors and names are kept; the counts go on."""


@dataclass
class Outcome:
    """How a transfer of many files has ended. Many threads may count at once."""

    done: int = 0
    """Files that were sent or fetched, whole and verified."""
    same: int = 0
    """Files whose bytes were there already."""
    failed: int = 0
    skipped: int = 0
    """What is neither a file nor a folder (links to folders, devices, pipes, sockets), and was passed over."""
    errors: list[tuple[str, Exception]] = field(default_factory=list)
    """The first 1000 that failed, by their names, with the reasons. A progress hears of all."""
    skips: list[tuple[str, str]] = field(default_factory=list)
    """The first 1000 that were passed over, by their names, with the reasons."""
    deleted: list[str] = field(default_factory=list)
    """What `sync` has deleted at the service, by names below its folder."""
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def is_good(self) -> bool:
        """Whether nothing failed."""
        return not self.failed

    def count(self, *, was_moved: bool) -> None:
        """One more went well."""
        with self._guard:
            self.done += was_moved
            self.same += not was_moved

    def fail(self, name: str, error: Exception, progress: Progress = SILENT) -> None:
        """One more failed."""
        with self._guard:
            self.failed += 1
            if len(self.errors) < KEPT:
                self.errors.append((name, error))
        progress.failed(name, error)
        _forget_frames(error)

    def skip(self, name: str, reason: str) -> None:
        """One more was passed over."""
        with self._guard:
            self.skipped += 1
            if len(self.skips) < KEPT:
                self.skips.append((name, reason))

    def add(self, other: "Outcome") -> None:
        """Count what another one has counted, which has ended."""
        with self._guard:
            self.done, self.same = self.done + other.done, self.same + other.same
            self.failed, self.skipped = self.failed + other.failed, self.skipped + other.skipped
            self.errors += other.errors[: KEPT - len(self.errors)]
            self.skips += other.skips[: KEPT - len(self.skips)]


def _forget_frames(error: BaseException | None) -> None:
    """Tracebacks hold the frames, and those the bytes that were sent."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
