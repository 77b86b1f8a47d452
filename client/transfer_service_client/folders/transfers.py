"""Many files to the service at once."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from transfer_service_client.connection.addresses import normal_path
from transfer_service_client.connection.quick_requests import QuickRequests
from transfer_service_client.errors import ENDS_ALL, TransferError
from transfer_service_client.folders.excluding import NOTHING, Excluding
from transfer_service_client.folders.many import Job, Many
from transfer_service_client.folders.outcome import Outcome
from transfer_service_client.folders.planning import Planning, below
from transfer_service_client.folders.walking import (
    Found,
    LocalFile,
    LocalFolder,
    Root,
    Skipped,
    Unsendable,
    roots,
    walk,
)
from transfer_service_client.models import File
from transfer_service_client.progress import SILENT, Progress
from transfer_service_client.uploads.uploaded import Uploaded
from transfer_service_client.uploads.uploads import Uploader

if TYPE_CHECKING:
    from transfer_service_client.client import TransferClient

_FEW = 8
_NOTHING: Mapping[str, File] = {}


class Sending:
    """One call that sends files and folders: small files by requests that take little, all by `Many`."""

    def __init__(self, client: "TransferClient", *, progress: Progress = SILENT) -> None:
        self._client, self._progress = client, progress
        self._quick, stop = QuickRequests(client.session), threading.Event()
        self.outcome = Outcome()
        self._many = Many(self.outcome, progress=progress, stop=stop, end=self._quick.close)
        self._uploader = Uploader(
            client.session, client.account_label(), progress=progress, stop=stop, quick=self._quick
        )

    def send_roots(
        self, found: Iterable[Root | Unsendable], *, are_apart: bool, exclude: Excluding = NOTHING
    ) -> Outcome:
        """Send what is in each; not `are_apart`: two may have files of the same name. Raises SignInNeeded."""
        taken = None if are_apart else set[str]()
        with self._many:
            for root in found:
                if isinstance(root, Unsendable):
                    self._add(root, _NOTHING)
                else:
                    self._send_root(root, taken, exclude)
        return self.outcome

    def send_files(self, files: Iterable[tuple[Path, str]], *, is_compared: bool) -> Outcome:
        """Send each under its name; not `is_compared`: without asking what is there. Raises SignInNeeded."""
        there = None if is_compared else _NOTHING
        with self._many:
            for path, name in files:
                self._add(_local_file(path, name), there)
        return self.outcome

    def _send_root(self, root: Root, taken: set[str] | None, exclude: Excluding) -> None:
        found: Iterator[Found] = walk(root, taken, exclude=exclude)
        first, there = list(islice(found, _FEW + 1)), None
        if len(first) > _FEW:  # the service is asked once for all, not for each
            there = {file.name: file for file in self._client.files(root.name)}
        for each in first:
            self._add(each, there)
        for each in found:
            self._add(each, there)

    def _add(self, found: Found, there: Mapping[str, File] | None) -> None:
        if isinstance(found, LocalFile):
            self._many.add(Job(found.name, found.size, lambda: self._send(found, there)))
        elif isinstance(found, Unsendable):
            self.outcome.fail(found.name, found.error, self._progress)
        elif isinstance(found, Skipped):
            self.outcome.skip(found.name, found.reason)
        elif found.is_empty:  # others come with what is in them
            self._make_folder(found)

    def _make_folder(self, folder: LocalFolder) -> None:
        try:
            self._client.make_folder(folder.name)
        except ENDS_ALL:
            raise
        except TransferError as error:
            self.outcome.fail(folder.name, error, self._progress)

    def _send(self, file: LocalFile, there: Mapping[str, File] | None) -> bool:
        before = self._client.find(file.name) if there is None else there.get(file.name)
        return self._uploader.upload(file.path, file.name, before).was_sent


def _local_file(path: Path, name: str) -> LocalFile:
    try:
        return LocalFile(path, name, path.stat().st_size)
    except OSError:
        return LocalFile(path, name, 0)  # sending it tells why


def send_paths(
    client: "TransferClient",
    paths: Iterable[str],
    *,
    to: str = "",
    exclude: Iterable[str] = (),
    progress: Progress = SILENT,
) -> Outcome:
    """Send files and folders into the folder `to`, with what is in them and not excluded."""
    asked, excluding = list(paths), Excluding(exclude)
    with Planning(progress) as planning:
        planning.count(lambda: below(roots(asked), excluding))
        found = roots(asked, to=normal_path(to))
        return Sending(client, progress=progress).send_roots(found, are_apart=len(asked) == 1, exclude=excluding)


def send_files(
    client: "TransferClient", files: Iterable[tuple[Path, str]], *, is_compared: bool, progress: Progress = SILENT
) -> Outcome:
    """Send files, each under a name of its own."""
    return Sending(client, progress=progress).send_files(files, is_compared=is_compared)


def send_file(client: "TransferClient", path: Path, name: str, *, progress: Progress = SILENT) -> Uploaded:
    """Send one file under this name."""
    quick = QuickRequests(client.session)
    uploader = Uploader(client.session, client.account_label(), progress=progress, quick=quick)
    try:
        return uploader.upload(path, name, client.find(name))
    finally:
        quick.close()
