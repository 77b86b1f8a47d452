"""What makes a folder of the service like a local one: a pure function of two trees and their digests.

What could not be read here is never a reason to delete something there.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from transfer_service_client.folders.trees import LocalTree, RemoteTree


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


def worth_hashing(local: LocalTree, remote: RemoteTree) -> list[str]:
    """The local files whose digests decide something: the service has one of the same name and size."""
    sizes = {name: size for name, (size, digest) in remote.files.items() if digest is not None}
    return sorted(name for name, size in local.sizes.items() if sizes.get(name) == size)


def plan(local: LocalTree, remote: RemoteTree, digests: Mapping[str, str], *, delete: bool = False) -> Plan:
    """What to do, without doing it. `digests` of `worth_hashing`; a file that is missing there is sent."""
    in_way = (local.sizes.keys() & remote.folders) | (local.folders & remote.files.keys())
    kept = local.skipped.keys() | local.failed.keys() | remote.excluded
    may_delete = delete and not local.failed
    in_way_goes = {name for name in in_way if may_delete and not _touches(name, kept)}
    blocked = in_way - in_way_goes
    wanted = {name for name in local.sizes if not is_in(name, blocked)}
    same = {name for name in wanted if name in digests and remote.files.get(name, (None, None))[1] == digests[name]}
    spared = kept | in_way
    files = {name for name, (_, digest) in remote.files.items() if digest is not None}  # others are on their way yet
    return Plan(
        delete_first=sorted(in_way_goes),
        folders=sorted(name for name in local.folders - remote.folders if not is_in(name, blocked)),
        uploads=sorted(wanted - same),
        delete_files=sorted(name for name in files - local.sizes.keys() if may_delete and not is_in(name, spared)),
        delete_folders=sorted(
            (name for name in remote.folders - local.folders if may_delete and not _touches(name, spared)),
            key=lambda name: (-name.count("/"), name),
        ),
        same=sorted(same),
        blocked={name: _in_way(name, remote) for name in sorted(blocked)},
    )


def is_in(name: str, names: Collection[str]) -> bool:
    """Whether a name is one of `names`, or below one."""
    labels = name.split("/")
    return any("/".join(labels[:count]) in names for count in range(1, len(labels) + 1))


def _touches(name: str, names: Collection[str]) -> bool:
    """Whether a folder holds one of `names`, is one, or is below one."""
    return any(each.startswith(f"{name}/") for each in names) or is_in(name, names)


def _in_way(name: str, remote: RemoteTree) -> str:
    kind = "folder" if name in remote.folders else "file"
    return f"a {kind} of this name is in the way at the service"
