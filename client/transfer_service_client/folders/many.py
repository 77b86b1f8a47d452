"""Many transfers at once: very many of the small ones, few of the large ones, each in a thread."""

import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple

from transfer_service_client.errors import ENDS_ALL, Stopped
from transfer_service_client.folders.outcome import Outcome
from transfer_service_client.progress import SILENT, Progress

if sys.platform != "win32":
    import resource

_LANES = ((64 * 1024, 128), (1024 * 1024, 16), (None, 4))
"""Up to so many bytes, so many threads: those hold a small file in memory, and wait for the line most of the time."""
_FILES_EACH, _FILES_BESIDE = 5, 40
"""So many files and connections a thread has open at the most, and all else together."""
_WAITING = 256
_PARTING_SECONDS = 2.0
_END = None


class Job(NamedTuple):
    """One transfer: `do` is True where bytes were moved, False where they were there already."""

    name: str
    size: int
    do: Callable[[], bool]


class _Lane(NamedTuple):
    limit: int
    jobs: "queue.Queue[Job | None]"
    threads: list[threading.Thread]


def _most_open_files() -> int | None:
    """How many files this process may have open; None where nobody says."""
    if sys.platform == "win32":
        return None
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if most == resource.RLIM_INFINITY else most


def _limits(most_open_files: int | None) -> list[int]:
    """How many threads each lane has, so that no transfer fails for want of files: macOS allows 256 by itself."""
    wanted = [limit for _, limit in _LANES]
    if most_open_files is None:
        return wanted
    share = min(1.0, (most_open_files - _FILES_BESIDE) / _FILES_EACH / sum(wanted))
    return [max(1, int(limit * share)) for limit in wanted]


class Many:
    """A context that works jobs off by threads, which are made as they are needed, and ends with the last of them.

    A job that fails is counted as failed, and the others go on; an error of ENDS_ALL ends all and comes out of the
    context.
    What waits is bounded, so any number of files takes the same memory. After an interruption those under way end at
    their next bytes, by `stop`; whoever cannot end in two seconds ends with the program.
    """

    def __init__(
        self,
        outcome: Outcome,
        *,
        progress: Progress = SILENT,
        stop: threading.Event | None = None,
        end: Callable[[], None] | None = None,
    ) -> None:
        """`stop` is set where all have to end, and may be set by others; `end` is called by each thread at its end."""
        self.stop = stop or threading.Event()
        self._outcome, self._progress, self._end = outcome, progress, end
        self._broken: BaseException | None = None
        self._lanes = [_Lane(limit, queue.Queue(_WAITING), []) for limit in _limits(_most_open_files())]

    def add(self, job: Job) -> None:
        """Have a job done; waits while too many do. Raises what has ended all meanwhile."""
        if self._broken is not None:
            raise self._broken
        lane = next(
            each for each, (size, _) in zip(self._lanes, _LANES, strict=True) if size is None or job.size <= size
        )
        if len(lane.threads) < lane.limit:
            thread = threading.Thread(target=self._run, args=(lane.jobs,), daemon=True, name="transfer")
            lane.threads.append(thread)
            thread.start()
        lane.jobs.put(job)

    def __enter__(self) -> "Many":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if error is None:
                self._finish()
        except BaseException:
            self._abandon()
            raise
        if error is not None:
            self._abandon()

    def _finish(self) -> None:
        for lane in self._lanes:
            for _ in lane.threads:
                lane.jobs.put(_END)
        for lane in self._lanes:
            for thread in lane.threads:
                thread.join()
        if self._broken is not None:
            raise self._broken

    def _abandon(self) -> None:
        self.stop.set()
        for lane in self._lanes:
            with suppress(queue.Empty):
                while True:
                    lane.jobs.get_nowait()
            for _ in lane.threads:
                lane.jobs.put(_END)  # there is room: nothing else is added any more
        ends_at = time.monotonic() + _PARTING_SECONDS
        for lane in self._lanes:
            for thread in lane.threads:
                thread.join(max(ends_at - time.monotonic(), 0))

    def _run(self, jobs: "queue.Queue[Job | None]") -> None:
        while (job := jobs.get()) is not _END:
            if self._broken is None and not self.stop.is_set():
                try:
                    self._do(job)
                except BaseException as error:  # noqa: BLE001 # or whoever adds more would wait for ever
                    self._broken = error
                    self.stop.set()
        if self._end is not None:
            self._end()

    def _do(self, job: Job) -> None:
        try:
            was_moved = job.do()
        except Stopped:
            return
        except ENDS_ALL:
            raise
        except Exception as error:  # noqa: BLE001 # whatever it is, the others go on
            self._outcome.fail(job.name, error, self._progress)
        else:
            self._outcome.count(was_moved=was_moved)
