"""A folder at the service made like a local one, by digests: times of clocks that disagree play no part.

Nothing is deleted there before all that can be read here has been sent.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Protocol

from transfer_service_client.connection.addresses import normal_path
from transfer_service_client.errors import ENDS_ALL, NotFound, TransferError, Unavailable
from transfer_service_client.folders.digests import DigestCache
from transfer_service_client.folders.excluding import Excluding
from transfer_service_client.folders.fetching import Lists
from transfer_service_client.folders.outcome import Outcome
from transfer_service_client.folders.planning import Planning
from transfer_service_client.folders.sync_plans import Plan, is_in, plan, worth_hashing
from transfer_service_client.folders.trees import LocalTree, local_tree, remote_tree
from transfer_service_client.folders.walking import joined
from transfer_service_client.progress import SILENT, Progress
from transfer_service_client.reading import open_file, sha256_of


class Syncs(Lists, Protocol):
    """What a service has to be able to do for `sync`."""

    def upload_files(
        self, files: Iterable[tuple[Path, str]], *, is_compared: bool = True, progress: Progress = SILENT
    ) -> Outcome:
        """Send files under their names, in place of those that have them."""

    def delete(self, name: str) -> None:
        """Delete a file."""

    def make_folder(self, path: str) -> None:
        """Make a folder."""

    def delete_folder(self, path: str, *, is_recursive: bool = False) -> None:
        """Delete a folder."""


@dataclass(frozen=True)
class Verification:
    """How two trees compare, as sorted names; `failed` could not be read."""

    same: list[str]
    different: list[str]
    missing_there: list[str]
    missing_here: list[str]
    failed: dict[str, Exception]

    @property
    def is_good(self) -> bool:
        """Whether both are the same."""
        return not (self.different or self.missing_there or self.missing_here or self.failed)


def sync(
    client: Syncs,
    root: Path,
    folder: str,
    *,
    delete: bool = False,
    dry_run: bool = False,
    exclude: Iterable[str] = (),
    progress: Progress = SILENT,
    cache: DigestCache | None = None,
) -> tuple[Plan, Outcome]:
    """Make a folder of the service like a local one; with `dry_run` only tell how.

    Files that fail are told in the outcome, by their names there, and the others go on; nothing is deleted after any of
    them failed. With `delete` a `root` that holds nothing is refused where the folder holds something: mostly a disk is
    not mounted there. What `exclude` has patterns of is neither sent nor deleted. Raises SignInNeeded, TransferError,
    OSError where `root` cannot be read.
    """
    folder = normal_path(folder)
    excluding = Excluding(exclude)
    local = local_tree(root, excluding)
    remote = remote_tree(client, folder, excluding)
    if delete and not local.holds_anything and (remote.files or remote.folders):
        raise TransferError(f"{root} is empty: nothing is deleted. Is its disk mounted? `rm -r` deletes a folder")
    outcome, below = Outcome(), partial(joined, folder)
    for name, error in local.failed.items():
        outcome.fail(below(name), error, progress)
    for name, reason in local.skipped.items():
        outcome.skip(below(name), reason)
    with cache or DigestCache() as digests:
        known = _digests(local, worth_hashing(local, remote), digests)
    steps = plan(local, remote, known, delete=delete)
    for name, problem in steps.blocked.items():
        outcome.fail(below(name), TransferError(problem), progress)
    outcome.same = len(steps.same)
    if not dry_run:
        _Changes(client, folder, outcome, progress).carry_out(steps, local)
    return steps, outcome


def verify(
    client: Lists, root: Path, folder: str, *, exclude: Iterable[str] = (), progress: Progress = SILENT
) -> Verification:
    """Compare every byte of a local folder with the digests of a folder of the service, but for what is excluded.

    Raises NotFound where that is not there, OSError where `root` cannot be read.
    """
    folder = normal_path(folder)
    _check_there(client, folder)
    excluding = Excluding(exclude)
    local, remote = local_tree(root, excluding), remote_tree(client, folder, excluding)
    failed = dict(local.failed)
    for name, error in failed.items():
        progress.failed(name, error)
    digests: dict[str, str] = {}
    with Planning(progress) as planning:
        planning.expect(len(local.sizes), sum(local.sizes.values()))
    for name in sorted(local.sizes):
        progress.begin(name, local.sizes[name])
        try:
            digests[name] = sha256_of(local.paths[name], partial(progress.advance, name))
        except OSError as error:
            failed[name] = error
            progress.failed(name, error)
        else:
            progress.done(name, was_moved=False)
    there = {name: sha for name, (_, sha) in remote.files.items() if sha is not None}
    holders = {str(each) for name in remote.excluded for each in PurePosixPath(name).parents}
    both = digests.keys() & there.keys()
    return Verification(
        same=sorted(name for name in both if digests[name] == there[name]),
        different=sorted(name for name in both if digests[name] != there[name]),
        missing_there=sorted([*(digests.keys() - there.keys()), *(local.folders - remote.folders)]),
        missing_here=sorted([*(there.keys() - local.sizes.keys()), *(remote.folders - local.folders - holders)]),
        failed=failed,
    )


class _Changes:
    """Carries a plan out in one folder of the service."""

    def __init__(self, client: Syncs, folder: str, outcome: Outcome, progress: Progress) -> None:
        self._client, self._folder, self._outcome, self._progress = client, folder, outcome, progress
        self._below = partial(joined, folder)

    def carry_out(self, steps: Plan, local: LocalTree) -> None:
        """What is in the way goes as late as it can: once all else is there, and what takes its place can be read."""
        if self._folder:
            self._client.make_folder(self._folder)
        with Planning(self._progress) as planning:
            planning.expect(len(steps.uploads), sum(local.sizes[name] for name in steps.uploads))
        in_way = frozenset(steps.delete_first)
        delete_whole_folder = partial(self._client.delete_folder, is_recursive=True)
        self._send(steps, local, lambda name: not is_in(name, in_way))
        for name in filter(lambda name: is_in(name, in_way), steps.uploads):
            self._try(partial(_check_readable, local.paths[name]), name)
        if self._outcome.failed:
            for name in steps.delete_first:
                kept = TransferError("What has its name at the service is kept, since something failed")
                self._outcome.fail(self._below(name), kept, self._progress)
            return
        for name in steps.delete_first:
            self._delete(delete_whole_folder if name in local.sizes else self._client.delete, name)
        self._send(steps, local, lambda name: is_in(name, in_way))
        if not self._outcome.failed:
            for name in steps.delete_files:
                self._delete(self._client.delete, name)
            for name in steps.delete_folders:
                self._delete(self._client.delete_folder, name)

    def _send(self, steps: Plan, local: LocalTree, is_wanted: Callable[[str], bool]) -> None:
        for name in filter(is_wanted, steps.folders):
            self._try(self._client.make_folder, name)
        files = [(local.paths[name], self._below(name)) for name in filter(is_wanted, steps.uploads)]
        if files:
            self._outcome.add(self._client.upload_files(files, is_compared=False, progress=self._progress))

    def _delete(self, do: Callable[[str], None], name: str) -> None:
        def delete(name_there: str) -> None:
            with suppress(NotFound):  # somebody else was faster
                do(name_there)
            self._outcome.deleted.append(name)

        self._try(delete, name)

    def _try(self, do: Callable[[str], None], name: str) -> None:
        try:
            do(self._below(name))
        except (*ENDS_ALL, Unavailable):
            raise
        except (TransferError, OSError) as error:
            self._outcome.fail(self._below(name), error, self._progress)


def _digests(local: LocalTree, names: list[str], digests: DigestCache) -> dict[str, str]:
    """Digests by name; what cannot be read has none, and sending it tells why."""
    known: dict[str, str] = {}
    for name in names:
        with suppress(OSError):
            known[name] = digests.sha256_of(local.paths[name])
    return known


def _check_there(client: Lists, folder: str) -> None:
    """Raises NotFound where there is no such folder."""
    try:
        client.list(folder)
    except NotFound as error:
        raise NotFound(error.status, f"There is no folder {folder!r}") from error


def _check_readable(path: Path, _name: str) -> None:
    """Raises OSError where it cannot be read."""
    with open_file(path) as file:
        file.read(1)
