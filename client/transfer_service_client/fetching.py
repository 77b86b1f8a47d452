"""Many downloads at once: files by name and folders with all that is in them, the ones that fail beside the others."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from transfer_service_client.downloads import download
from transfer_service_client.errors import NotFound, SignInNeeded, TransferError
from transfer_service_client.models import File, Listing
from transfer_service_client.placing import TargetFolder, UnsafeName
from transfer_service_client.progress import SILENT, Progress
from transfer_service_client.session import Session
from transfer_service_client.stopping import Stoppable

WORKERS = 8
Item = TypeVar("Item")


class Lists(Protocol):
    """Whoever can tell what is in a folder of the service."""

    def list(self, folder: str = "") -> Listing:
        """What lies directly in it. Raises NotFound."""


class Finds(Lists, Protocol):
    """And what has a name."""

    session: Session

    def find(self, name: str) -> File | None:
        """The file of that name."""


@dataclass
class Outcome:
    """What became of many: names that went well (those that needed nothing in `same`), and errors by name."""

    done: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """A file of the service, and its name below the target folder."""

    file: File
    place: str


def everything_in(client: Lists, folder: str) -> tuple[list[str], list[File]]:
    """The paths of all folders below a folder, and all files, unfinished ones too. Raises NotFound."""
    folders: list[str] = []
    files: list[File] = []
    waiting, seen = [folder], {folder}
    while waiting:
        try:
            listing = client.list(waiting.pop())
        except NotFound:
            if not folders and not files and not waiting:
                raise
            continue  # deleted meanwhile
        new = [each.path for each in listing.folders if each.path not in seen]
        seen.update(new)
        folders += new
        waiting += new
        files += listing.files
    return folders, files


def get(
    client: Finds, names: Sequence[str], into: Path, *, progress: Progress = SILENT, workers: int = WORKERS
) -> Outcome:
    """Fetch files, and folders with all in them, under their last labels into a folder, never outside of it.

    What fails is told in the outcome, and the others go on. Raises SignInNeeded, OSError where `into` cannot be.
    """
    outcome, target = Outcome(), TargetFolder(into)
    wanted: list[Wanted] = []
    places: dict[str, str] = {}
    for name in names:
        try:
            folders, found = _found(client, name.strip("/"))
        except SignInNeeded:
            raise
        except TransferError as error:
            _fail(outcome, progress, name, error)
            continue
        for folder in folders:
            _make_folder(target, folder, outcome, progress)
        wanted += _apart(found, places, outcome, progress)
    at_once(
        wanted,
        lambda each: each.file.name,
        lambda each, telling: _fetch(client, target, each, telling),
        outcome,
        progress,
        workers,
    )
    return outcome


def at_once(
    items: Iterable[Item],
    name_of: Callable[[Item], str],
    do: Callable[[Item, Progress], bool],
    outcome: Outcome,
    progress: Progress,
    workers: int = WORKERS,
) -> None:
    """Do something with each of many by threads; `do` is False where nothing was to do.

    What is under way ends at its next bytes where somebody interrupts. Raises SignInNeeded.
    """
    lock, stop = threading.Lock(), threading.Event()
    stoppable = Stoppable(progress, stop)

    def run(item: Item) -> None:
        if stop.is_set():
            return
        name = name_of(item)
        try:
            is_done = do(item, stoppable)
        except SignInNeeded:
            stop.set()
            raise
        except (TransferError, OSError) as error:
            with lock:
                _fail(outcome, progress, name, error)
        else:
            with lock:
                (outcome.done if is_done else outcome.same).append(name)

    pool = ThreadPoolExecutor(workers)
    try:
        futures = [pool.submit(run, item) for item in items]
        wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            if future.done():
                future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _found(client: Finds, name: str) -> tuple[list[str], list[Wanted]]:
    """The folders to make, and the files to fetch, for a name; both named from its last label on."""
    file = client.find(name) if name else None
    if file is not None:
        return [], [Wanted(file, name.rpartition("/")[2])]
    try:
        folders, files = everything_in(client, name)
    except NotFound as error:
        raise NotFound(error.status, f"There is no file and no folder {name!r}") from error
    above = len(name.rpartition("/")[0]) + 1 if "/" in name else 0
    own = [name] if name else []
    return [each[above:] for each in [*own, *folders]], [Wanted(each, each.name[above:]) for each in files]


def _apart(found: list[Wanted], places: dict[str, str], outcome: Outcome, progress: Progress) -> list[Wanted]:
    """Those that no other file has the place of; a file that is asked for twice is fetched once."""
    apart: list[Wanted] = []
    for each in found:
        first = places.get(each.place)
        if first is None:
            places[each.place] = each.file.name
            apart.append(each)
        elif first != each.file.name:
            error = UnsafeName(f"{each.file.name} and {first} would have the same name {each.place!r} here")
            _fail(outcome, progress, each.file.name, error)
    return apart


def _make_folder(target: TargetFolder, name: str, outcome: Outcome, progress: Progress) -> None:
    try:
        target.make_folder(name)
    except (TransferError, OSError) as error:
        _fail(outcome, progress, name, error)


def _fetch(client: Finds, target: TargetFolder, wanted: Wanted, progress: Progress) -> bool:
    return download(client.session, wanted.file, target.place(wanted.place), progress=progress)


def _fail(outcome: Outcome, progress: Progress, name: str, error: Exception) -> None:
    outcome.failed[name] = error
    progress.failed(name, error)
