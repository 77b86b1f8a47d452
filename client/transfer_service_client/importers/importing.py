"""An import: everything of an origin into a folder of the service, many at once, and a look at what is there then."""

import threading
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from transfer_service_client.connection.addresses import normal_path
from transfer_service_client.connection.quick_requests import QuickRequests
from transfer_service_client.errors import ENDS_ALL, DigestMismatch, Stopped, TransferError
from transfer_service_client.folders.many import Job, Many
from transfer_service_client.folders.outcome import Outcome
from transfer_service_client.folders.planning import Planning
from transfer_service_client.folders.walking import Skipped, Unsendable
from transfer_service_client.importers.origin import Found, Origin, OriginFile, OriginFolder, problem_of
from transfer_service_client.importers.remembered import RememberedDigests
from transfer_service_client.importers.remote_source import RemoteSource
from transfer_service_client.models import File
from transfer_service_client.progress import SILENT, Progress
from transfer_service_client.uploads.uploads import Uploader

if TYPE_CHECKING:
    from transfer_service_client.client import TransferClient

_LARGEST_BYTES = 2**63 - 1
"""Of any disk; whatever an origin says more is a lie, which nothing here has to count with."""


@dataclass
class Import:
    """How an import has ended. `verified`: so many files are at the service under their names, by their SHA-256."""

    outcome: Outcome = field(default_factory=Outcome)
    verified: int = 0


@dataclass
class ImportPlan:
    """What an import would do, by names at the service."""

    send: list[str] = field(default_factory=list)
    replace: list[str] = field(default_factory=list)
    """Other bytes are there: they are replaced."""
    compare: list[str] = field(default_factory=list)
    """Files of their size are there: they are replaced where the bytes are others."""
    outcome: Outcome = field(default_factory=Outcome)
    """What would be passed over, and what cannot be imported."""


def run_import(client: "TransferClient", origin: Origin, to: str = "", *, progress: Progress = SILENT) -> Import:
    """Bring everything of an origin into the folder `to`, and compare what is there then.

    What fails is in the outcome, and keeps nothing else back. Raises SignInNeeded, and what `Origin.found` raises.
    """
    return _Importing(client, to, progress).run(origin)


def plan_import(client: "TransferClient", origin: Origin, to: str = "", *, progress: Progress = SILENT) -> ImportPlan:
    """What `run_import` would do; no byte of a file is read. Raises as that does."""
    to = normal_path(to)
    plan, there = ImportPlan(), {file.name: file for file in client.files(to)}
    for found in _checked(origin, to, there):
        if isinstance(found, OriginFile):
            _place_of(found, there.get(found.name), plan).append(found.name)
        elif isinstance(found, Skipped):
            plan.outcome.skip(found.name, found.reason)
        elif isinstance(found, Unsendable):
            plan.outcome.fail(found.name, found.error, progress)
    return plan


def _place_of(found: OriginFile, there: File | None, plan: ImportPlan) -> list[str]:
    if there is None or not there.is_complete:
        return plan.send
    return plan.compare if there.size == found.size else plan.replace


class _Importing:
    def __init__(self, client: "TransferClient", to: str, progress: Progress) -> None:
        self._client, self._to, self._progress = client, normal_path(to), progress
        self._report = Import()
        self._guard = threading.Lock()
        self._digests: dict[str, str] = {}
        self._remembered = RememberedDigests()
        quick, stop = QuickRequests(client.session), threading.Event()
        self._many = Many(self._report.outcome, progress=progress, stop=stop, end=quick.close)
        self._uploader = Uploader(client.session, client.account_label(), progress=progress, stop=stop, quick=quick)

    def run(self, origin: Origin) -> Import:
        with closing(self._remembered):
            there = {file.name: file for file in self._client.files(self._to)}
            with self._many, Planning(self._progress) as planning:
                for found in _checked(origin, self._to, there):
                    if isinstance(found, OriginFile):
                        planning.expect(1, found.size)
                    self._add(found, there)
        self._verify()
        return self._report

    def _add(self, found: Found, there: Mapping[str, File]) -> None:
        if isinstance(found, OriginFile):
            self._many.add(Job(found.name, found.size, partial(self._send, found, there.get(found.name))))
        elif isinstance(found, OriginFolder):
            self._make_folder(found.name)
        elif isinstance(found, Skipped):
            self._report.outcome.skip(found.name, found.reason)
        else:
            self._fail(found.name, found.error)

    def _send(self, file: OriginFile, there: File | None) -> bool:
        try:
            return self._bring(file, there)
        except Exception as error:
            if self._uploader.stop.is_set():  # the origin is closed while this one waits for it
                raise Stopped("Stopped") from error
            raise

    def _bring(self, file: OriginFile, there: File | None) -> bool:
        with file.open() as source:
            is_far = isinstance(source, RemoteSource) and not source.is_known
            source.remembered = self._remembered.find(source.identity) if is_far else None
            uploaded = self._uploader.upload_source(source, file.name, there)
            if is_far:
                self._remembered.keep(source.identity, uploaded.sha256)
        with self._guard:
            self._digests[file.name] = uploaded.sha256
        return uploaded.was_sent

    def _make_folder(self, name: str) -> None:
        try:
            self._client.make_folder(name)
        except ENDS_ALL:
            raise
        except TransferError as error:
            self._fail(name, error)

    def _verify(self) -> None:
        """Compare what the service says of each file now: nothing else may have got its name meanwhile."""
        waiting = self._digests
        for file in self._client.files(self._to):
            sha256 = waiting.pop(file.name, None)
            if sha256 is None:
                continue
            if file.is_complete and file.sha256 == sha256:
                self._report.verified += 1
            else:
                self._fail(file.name, DigestMismatch("The service has other bytes under this name now"))
        for name in waiting:
            self._fail(name, TransferError("The service has no file of this name any more"))

    def _fail(self, name: str, error: Exception) -> None:
        self._report.outcome.fail(name, error, self._progress)


def _checked(origin: Origin, to: str, there: Mapping[str, File]) -> Iterator[Found]:
    """What an origin has, by names at the service, of which none is given twice."""
    names = _Names(there)
    for found in origin.found():
        name = unicodedata.normalize("NFC", f"{to}/{found.name}" if to else found.name)
        problem = found.error if isinstance(found, Unsendable) else problem_of(found.name)
        if problem is None and isinstance(found, OriginFile):
            problem = names.take_file(name, found.size)
        elif problem is None and isinstance(found, OriginFolder):
            problem = names.take_folder(name)
        if problem is not None:
            yield Unsendable(name, problem)
        elif isinstance(found, OriginFile):
            yield OriginFile(name, found.size, found.open)
        elif isinstance(found, Skipped):
            yield Skipped(name, found.reason)
        else:
            yield OriginFolder(name)


class _Names:
    """Which names are taken: a file cannot have that of a folder. A bucket can have both, and the first one counts."""

    def __init__(self, there: Mapping[str, File]) -> None:
        self._there, self._files = there, set[str]()
        self._folders = {folder for name in there for folder in _above(name)}

    def take_file(self, name: str, size: int) -> TransferError | None:
        """Take it, or tell why not."""
        if not 0 <= size <= _LARGEST_BYTES:
            return TransferError("It has no such size")
        if name in self._files:
            return TransferError("It would be a second file of this name")
        if name in self._folders:
            return TransferError("A folder has this name")
        problem = self._take_folders(_above(name))
        if problem is None:
            self._files.add(name)
        return problem

    def take_folder(self, name: str) -> TransferError | None:
        """Take it, or tell why not."""
        return self._take_folders([*_above(name), name])

    def _take_folders(self, names: list[str]) -> TransferError | None:
        if any(each in self._files or each in self._there for each in names):
            return TransferError("A file has the name of its folder")
        self._folders.update(names)
        return None


def _above(name: str) -> list[str]:
    """The folders that a name lies in."""
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
