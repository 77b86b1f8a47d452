"""A folder at the service made like a local one, by digests: times of clocks that disagree play no part.

`plan` is a pure function of two trees. What could not be read here is never a reason to delete something there.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from transfer_service_client.digests import DigestCache
from transfer_service_client.downloads import sha256_of
from transfer_service_client.errors import SignInNeeded, TransferError, Unavailable
from transfer_service_client.fetching import Lists, normal_path
from transfer_service_client.outcome import Outcome
from transfer_service_client.planning import Planning
from transfer_service_client.progress import SILENT, Progress
from transfer_service_client.trees import LocalTree, RemoteTree, local_tree, remote_tree


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
class Plan:
    """What makes the service's tree like the local one, in this order; each list is sorted."""

    delete_first: list[str]
    """Files and whole folders that are in the way: the other kind has their name here."""
    folders: list[str]
    uploads: list[str]
    delete_files: list[str]
    delete_folders: list[str]
    """Deepest first; each is empty by then."""
    same: list[str]
    blocked: dict[str, str]
    """What cannot be sent without `delete`, and why."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to do."""
        return not (self.delete_first or self.folders or self.uploads or self.delete_files or self.delete_folders)


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


def worth_hashing(local: LocalTree, remote: RemoteTree) -> list[str]:
    """The local files whose digests decide something: the service has one of the same name and size."""
    sizes = {name: size for name, (size, digest) in remote.files.items() if digest is not None}
    return sorted(name for name, size in local.sizes.items() if sizes.get(name) == size)


def plan(local: LocalTree, remote: RemoteTree, digests: Mapping[str, str], *, delete: bool = False) -> Plan:
    """What to do, without doing it. `digests` of `worth_hashing`; a file that is missing there is sent."""
    in_way = (local.sizes.keys() & remote.folders) | (local.folders & remote.files.keys())
    kept = local.skipped.keys() | local.failed.keys()
    may_delete = delete and not local.failed
    in_way_goes = {name for name in in_way if may_delete and not _touches(name, kept)}
    blocked = in_way - in_way_goes
    wanted = {name for name in local.sizes if not _is_in(name, blocked)}
    same = {name for name in wanted if name in digests and remote.files.get(name, (None, None))[1] == digests[name]}
    spared = kept | in_way
    files = {name for name, (_, digest) in remote.files.items() if digest is not None}  # others are on their way yet
    return Plan(
        delete_first=sorted(in_way_goes),
        folders=sorted(name for name in local.folders - remote.folders if not _is_in(name, blocked)),
        uploads=sorted(wanted - same),
        delete_files=sorted(name for name in files - local.sizes.keys() if may_delete and not _is_in(name, spared)),
        delete_folders=sorted(
            (name for name in remote.folders - local.folders if may_delete and not _touches(name, spared)),
            key=lambda name: (-name.count("/"), name),
        ),
        same=sorted(same),
        blocked={name: _in_way(name, remote) for name in sorted(blocked)},
    )


def sync(
    client: Syncs,
    root: Path,
    folder: str,
    *,
    delete: bool = False,
    dry_run: bool = False,
    progress: Progress = SILENT,
    cache: DigestCache | None = None,
) -> tuple[Plan, Outcome]:
    """Make a folder of the service like a local one; with `dry_run` only tell how.

    Files that fail are told in the outcome, by their names there, and the others go on; nothing is deleted after any of
    them failed. Raises SignInNeeded, OSError where `root` cannot be read.
    """
    folder = normal_path(folder)
    local = local_tree(root)
    remote = remote_tree(client, folder)
    outcome, below = Outcome(), _Below(folder)
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
        _carry_out(client, below, steps, local, outcome, progress)
    return steps, outcome


def verify(client: Lists, root: Path, folder: str, *, progress: Progress = SILENT) -> Verification:
    """Compare every byte of a local folder with the digests of a folder of the service.

    Raises NotFound where that is not there, OSError where `root` cannot be read.
    """
    folder = normal_path(folder)
    client.list(folder)
    local, remote = local_tree(root), remote_tree(client, folder)
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
    both = digests.keys() & there.keys()
    return Verification(
        same=sorted(name for name in both if digests[name] == there[name]),
        different=sorted(name for name in both if digests[name] != there[name]),
        missing_there=sorted([*(digests.keys() - there.keys()), *(local.folders - remote.folders)]),
        missing_here=sorted([*(there.keys() - local.sizes.keys()), *(remote.folders - local.folders)]),
        failed=failed,
    )


@dataclass(frozen=True)
class _Below:
    folder: str

    def __call__(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name


def _carry_out(
    client: Syncs, below: _Below, steps: Plan, local: LocalTree, outcome: Outcome, progress: Progress
) -> None:
    for name in steps.delete_first:
        _try(partial(_delete_any, client, below(name), name in local.sizes), below(name), outcome, progress)
    if below.folder:
        client.make_folder(below.folder)
    for name in steps.folders:
        _try(partial(client.make_folder, below(name)), below(name), outcome, progress)
    files = ((local.paths[name], below(name)) for name in steps.uploads)
    with Planning(progress) as planning:
        planning.expect(len(steps.uploads), sum(local.sizes[name] for name in steps.uploads))
    outcome.add(client.upload_files(files, is_compared=False, progress=progress))
    if outcome.failed:
        return
    for name in steps.delete_files:
        _try(partial(client.delete, below(name)), below(name), outcome, progress)
    for name in steps.delete_folders:
        _try(partial(client.delete_folder, below(name)), below(name), outcome, progress)


def _digests(local: LocalTree, names: list[str], digests: DigestCache) -> dict[str, str]:
    """Digests by name; what cannot be read has none, and sending it tells why."""
    known: dict[str, str] = {}
    for name in names:
        with suppress(OSError):
            known[name] = digests.sha256_of(local.paths[name])
    return known


def _delete_any(client: Syncs, name: str, is_folder: bool) -> None:
    if is_folder:
        client.delete_folder(name, is_recursive=True)
    else:
        client.delete(name)


def _try(do: Callable[[], None], name: str, outcome: Outcome, progress: Progress) -> None:
    try:
        do()
    except (SignInNeeded, Unavailable):
        raise
    except TransferError as error:
        outcome.fail(name, error, progress)


def _is_in(name: str, names: Collection[str]) -> bool:
    """Whether a name is one of `names`, or below one."""
    labels = name.split("/")
    return any("/".join(labels[:count]) in names for count in range(1, len(labels) + 1))


def _touches(name: str, names: Collection[str]) -> bool:
    """Whether a folder holds one of `names`, is one, or is below one."""
    return any(each.startswith(f"{name}/") for each in names) or _is_in(name, names)


def _in_way(name: str, remote: RemoteTree) -> str:
    kind = "folder" if name in remote.folders else "file"
    return f"a {kind} of this name is in the way at the service"
