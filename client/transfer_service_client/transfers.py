"""Many files at once: few of the large ones, very many of the small ones, each in a thread."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from transfer_service_client.errors import SignInNeeded, Stopped, TransferError
from transfer_service_client.models import File
from transfer_service_client.progress import SILENT, Progress
from transfer_service_client.quick_requests import QuickRequests
from transfer_service_client.uploads import SMALL_BYTES, Uploaded, Uploader
from transfer_service_client.walking import LocalFile, LocalFolder, Unsendable, walk

if TYPE_CHECKING:
    from transfer_service_client.client import TransferClient

SMALL_AT_ONCE, LARGE_AT_ONCE = 128, 4
_WAITING = 2 * SMALL_AT_ONCE
_FEW = 8
_END = None


@dataclass
class Outcome:
    """How many files were sent, were there already, and which could not be sent, with the reason."""

    sent: int = 0
    unchanged: int = 0
    failed: list[tuple[str, Exception]] = field(default_factory=list)


class Lanes:
    """Threads for the small and threads for the large, which are made as they are needed.

    What waits is bounded, so any number of files takes the same memory. The threads end with the program: what they
    were sending goes on the next time.
    """

    def __init__(self, work: Callable[[LocalFile], None], *, end: Callable[[], None]) -> None:
        """What `work` raises ends all and comes out of `finish`; `end` is called by each thread at its end."""
        self._work, self._end = work, end
        self._broken: BaseException | None = None
        self._lanes = {limit: queue.Queue[LocalFile | None](_WAITING) for limit in (SMALL_AT_ONCE, LARGE_AT_ONCE)}
        self._threads: dict[int, list[threading.Thread]] = {limit: [] for limit in self._lanes}

    def add(self, file: LocalFile, size: int) -> None:
        """Have a file worked on; waits while too many do."""
        limit = SMALL_AT_ONCE if size <= SMALL_BYTES else LARGE_AT_ONCE
        lane, threads = self._lanes[limit], self._threads[limit]
        if len(threads) < limit:
            thread = threading.Thread(target=self._run, args=(lane,), daemon=True, name="transfer")
            threads.append(thread)
            thread.start()
        lane.put(file)

    def finish(self) -> None:
        """Wait until all is done. May be interrupted."""
        for limit, threads in self._threads.items():
            for _ in threads:
                self._lanes[limit].put(_END)
        for threads in self._threads.values():
            for thread in threads:
                thread.join()
        if self._broken is not None:
            raise self._broken

    def abandon(self) -> None:
        """Forget what waits, and let each thread end after what it is at."""
        for limit, threads in self._threads.items():
            lane = self._lanes[limit]
            with suppress(queue.Empty):
                while True:
                    lane.get_nowait()
            for _ in threads:
                lane.put(_END)  # there is room: nothing else is added any more

    def _run(self, lane: "queue.Queue[LocalFile | None]") -> None:
        while (file := lane.get()) is not _END:
            if self._broken is None:
                try:
                    self._work(file)
                except BaseException as error:  # noqa: BLE001 # or whoever adds more would wait for ever
                    self._broken = error
        self._end()


class Sending:
    """One call that sends files and folders."""

    def __init__(self, client: "TransferClient", *, progress: Progress = SILENT) -> None:
        self._client, self._progress = client, progress
        self._stop = threading.Event()
        self._quick = QuickRequests(client.session)
        self._uploader = Uploader(
            client.session, client.account_label(), progress=progress, stop=self._stop, quick=self._quick
        )
        self._outcome, self._guard = Outcome(), threading.Lock()
        self._fatal: SignInNeeded | None = None
        self._there: Mapping[str, File] | None = None

    def send(self, found: Iterable[LocalFile | LocalFolder | Unsendable], *, to: str = "") -> Outcome:
        """Send what was found below a folder there. One that fails does not keep others back.

        Raises SignInNeeded where nobody is signed in any more; after an interruption all threads stop.
        """
        lanes = Lanes(self._work, end=self._quick.close)
        try:
            for each in self._with_what_is_there(found, to):
                if self._fatal is not None:
                    break
                self._begin(each, lanes)
            lanes.finish()
        except BaseException:
            self._stop.set()
            lanes.abandon()
            raise
        if self._fatal is not None:
            raise self._fatal
        return self._outcome

    def _begin(self, found: LocalFile | LocalFolder | Unsendable, lanes: Lanes) -> None:
        if isinstance(found, Unsendable):
            self._fail(found.shown, found.error)
        elif isinstance(found, LocalFolder):
            try:
                self._client.make_folder(found.name)
            except SignInNeeded as error:
                self._fatal = error
            except TransferError as error:
                self._fail(found.name, error)
        else:
            try:
                lanes.add(found, found.path.stat().st_size)
            except OSError as error:
                self._fail(found.name, error)

    def _with_what_is_there(
        self, found: Iterable[LocalFile | LocalFolder | Unsendable], to: str
    ) -> Iterator[LocalFile | LocalFolder | Unsendable]:
        """What was found; where it is more than a few, the service is asked once for all, not for each."""
        first, rest = [], iter(found)
        for each in rest:
            first.append(each)
            if len(first) > _FEW:
                self._there = {file.name: file for file in self._client.files(to)}
                break
        yield from first
        yield from rest

    def _work(self, file: LocalFile) -> None:
        if self._stop.is_set():
            return
        try:
            there = self._client.find(file.name) if self._there is None else self._there.get(file.name)
            uploaded = self._uploader.upload(file.path, file.name, there)
        except Stopped:
            return
        except SignInNeeded as error:
            self._fatal = error
            self._stop.set()
        except Exception as error:  # noqa: BLE001 # whatever it is, the others go on
            self._fail(file.name, error)
        else:
            self._count(uploaded)

    def _count(self, uploaded: Uploaded) -> None:
        with self._guard:
            self._outcome.sent += uploaded.was_sent
            self._outcome.unchanged += not uploaded.was_sent

    def _fail(self, name: str, error: Exception) -> None:
        with self._guard:
            self._outcome.failed.append((name, error))
        self._progress.failed(name, error)


def send_paths(client: "TransferClient", paths: Iterable[str], *, to: str = "", progress: Progress = SILENT) -> Outcome:
    """Send files and folders into the folder `to`, with what is in them."""
    return Sending(client, progress=progress).send(walk(paths, to=to), to=to)


def send_file(client: "TransferClient", path: Path, name: str, *, progress: Progress = SILENT) -> Uploaded:
    """Send one file under this name."""
    return Uploader(client.session, client.account_label(), progress=progress).upload(path, name, client.find(name))
