"""Many downloads at once: files by name and folders with all that is in them, the ones that fail beside the others.

A service that tells of other files than those that were asked for could put them anywhere in the target folder: into
`.bashrc`, where somebody fetches `Photos` to their home. So each name has to lie where it is listed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from transfer_service_client.connection.addresses import normal_path
from transfer_service_client.connection.session import Session
from transfer_service_client.downloads.downloads import download
from transfer_service_client.downloads.placing import TargetFolder, UnsafeName
from transfer_service_client.errors import ENDS_ALL, NotFound, TransferError
from transfer_service_client.folders.many import Job, Many
from transfer_service_client.folders.outcome import Outcome
from transfer_service_client.folders.planning import Planning, in_folder
from transfer_service_client.folders.stopping import Stoppable
from transfer_service_client.models import File, Listing
from transfer_service_client.progress import SILENT, Progress


class Lists(Protocol):
    """Whoever can tell what is in a folder of the service."""

    def list(self, folder: str = "") -> Listing:
        """What lies directly in it. Raises NotFound."""


class Finds(Lists, Protocol):
    """And what has a name."""

    session: Session

    def find(self, name: str) -> File | None:
        """The file of that name."""


@dataclass(frozen=True)
class Wanted:
    """A file of the service, and its name below the target folder."""

    file: File
    place: str


@dataclass(frozen=True)
class _Missing:
    """What is asked for, or the rest of it, cannot be told."""

    error: TransferError


@dataclass(frozen=True)
class Misplaced:
    """A name that was told of in a folder that it does not lie in."""

    name: str
    error: TransferError


def everything_in(client: Lists, folder: str) -> Iterator[str | File | Misplaced]:
    """The path of each folder below a folder, and each file, unfinished ones too. Raises NotFound.

    `folder` is in NFC, as the service has it.
    """
    waiting, seen = [folder], {folder}
    is_first = True
    while waiting:
        asked = waiting.pop()
        try:
            listing = client.list(asked)
        except NotFound:
            if is_first:
                raise
            continue  # deleted meanwhile
        is_first = False
        for each in listing.folders:
            if each.path in seen:
                continue
            if not _lies_in(each.path, asked):
                yield _misplaced(each.path, asked)
            else:
                seen.add(each.path)
                waiting.append(each.path)
                yield each.path
        for file in listing.files:
            yield file if _lies_in(file.name, asked) else _misplaced(file.name, asked)


def _lies_in(name: str, folder: str) -> bool:
    above, _, label = name.rpartition("/")
    return bool(label) and above == folder and (bool(folder) or "/" not in name)


def _misplaced(name: str, folder: str) -> Misplaced:
    return Misplaced(name, UnsafeName(f"{name!r} cannot be a file here: the service told of it in {folder!r}"))


def get(client: Finds, names: Sequence[str], into: Path, *, progress: Progress = SILENT) -> Outcome:
    """Fetch files, and folders with all in them, under their last labels into a folder, never outside of it.

    What fails is told in the outcome, and the others go on. Raises SignInNeeded, OSError where `into` cannot be.
    """
    outcome, target = Outcome(), TargetFolder(into)
    places: dict[str, str] | None = {} if len(names) > 1 else None
    with Planning(progress) as planning, Many(outcome, progress=progress) as many:
        stoppable = Stoppable(progress, many.stop)
        for name in names:
            for found in _expected(client, normal_path(name), planning):
                if isinstance(found, _Missing):
                    outcome.fail(name, found.error, progress)
                elif isinstance(found, Misplaced):
                    outcome.fail(found.name, found.error, progress)
                elif isinstance(found, str):
                    _make_folder(target, found, outcome, progress)
                elif places is None or _is_apart(found, places, partial(outcome.fail, progress=progress)):
                    fetch = partial(_fetch, client, target, found, stoppable)
                    many.add(Job(found.file.name, found.file.size or 0, fetch))
    return outcome


def _expected(client: Finds, name: str, planning: Planning) -> "Iterator[str | Wanted | _Missing | Misplaced]":
    """What `_found` tells; who wants to hear of it is told how much that is."""
    is_first = True
    for found in _found(client, name):
        if is_first and isinstance(found, Wanted) and found.file.name == name:
            planning.expect(1, found.file.size or 0)
        elif is_first and not isinstance(found, _Missing):
            planning.count(partial(in_folder, client.session, name))
        is_first = False
        yield found


def _found(client: Finds, name: str) -> "Iterator[str | Wanted | Misplaced | _Missing]":
    """What `_listed` tells, and at its end what has ended it. Raises SignInNeeded."""
    try:
        yield from _listed(client, name)
    except ENDS_ALL:
        raise
    except TransferError as error:
        yield _Missing(error)


def _listed(client: Finds, name: str) -> Iterator[str | Wanted | Misplaced]:
    """The folders to make, and the files to fetch, for a name; both named from its last label on."""
    file = client.find(name) if name else None
    if file is not None:
        yield Wanted(file, name.rpartition("/")[2])
        return
    above = len(name.rpartition("/")[0]) + 1 if "/" in name else 0
    is_there = False
    try:
        for each in everything_in(client, name):
            if not is_there and name:
                yield name[above:]
            is_there = True
            if isinstance(each, Misplaced):
                yield each
            else:
                yield each[above:] if isinstance(each, str) else Wanted(each, each.name[above:])
    except NotFound as error:
        raise NotFound(error.status, f"There is no file and no folder {name!r}") from error
    if not is_there and name:
        yield name[above:]


def _is_apart(wanted: Wanted, places: dict[str, str], fail: Callable[[str, Exception], None]) -> bool:
    """Whether no other file has its place; one that is asked for twice is fetched once."""
    first = places.get(wanted.place)
    if first is None:
        places[wanted.place] = wanted.file.name
        return True
    if first != wanted.file.name:
        error = UnsafeName(f"{wanted.file.name} and {first} would have the same name {wanted.place!r} here")
        fail(wanted.file.name, error)
    return False


def _make_folder(target: TargetFolder, name: str, outcome: Outcome, progress: Progress) -> None:
    try:
        target.make_folder(name)
    except (TransferError, OSError) as error:
        outcome.fail(name, error, progress)


def _fetch(client: Finds, target: TargetFolder, wanted: Wanted, progress: Progress) -> bool:
    return fetch(client, wanted.file, target.place(wanted.place), progress, below=target.root)


def fetch(client: Finds, file: File, target: Path, progress: Progress, *, below: Path | None = None) -> bool:
    """`download`, of the file that has the name now where another one got it meanwhile."""
    try:
        return download(client.session, file, target, progress=progress, below=below)
    except NotFound:
        now = client.find(file.name)
        if now is None or now.file_id == file.file_id:
            raise
    return fetch(client, now, target, progress, below=below)
