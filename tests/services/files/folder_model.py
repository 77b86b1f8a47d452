"""What files and folders must be, in dictionaries: for the state machine that compares (`folder_engine`)."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate

from transfer_service.errors import FolderNotEmpty, InvalidName, InvalidRequest, NameTaken, NotFound, TransferError
from transfer_service.models.files import TrashReason
from transfer_service.services.uploads.rows import UploadRecord
from transfer_service.wire.filenames import MAX_LABELS, MAX_NAME_BYTES, numbered_name, split_name

BY_FILE, BY_FOLDER = NameTaken("A file has this name"), NameTaken("A folder has this name")


def above(name: str) -> list[str]:
    """The folders that a name lies in, the outermost first."""
    return list(accumulate(name.split("/")[:-1], "{}/{}".format))


def is_name(name: str) -> bool:
    """Whether a path is short enough."""
    return len(name.encode()) <= MAX_NAME_BYTES and name.count("/") < MAX_LABELS


@dataclass(eq=False)
class Entry:
    """A file, or what may become one. `holds` is false while it is an upload that has no name of its own yet."""

    id: uuid.UUID
    name: str
    data: bytes
    length: int
    holds: bool
    is_complete: bool = False
    overwrite: bool = False
    upload: UploadRecord | None = None
    reason: TrashReason | None = None
    expires_at: datetime | None = None


@dataclass
class Tree:
    """An account. `folders` tells of each whether it is to stay without a file in it. In `trash` nothing stays longer
    than `kept_for`; without that there is none.
    """

    now: Callable[[], datetime]
    kept_for: timedelta | None

    entries: dict[uuid.UUID, Entry] = field(default_factory=dict)
    folders: dict[str, bool] = field(default_factory=dict)
    trash: dict[uuid.UUID, Entry] = field(default_factory=dict)

    def holder(self, name: str) -> Entry | None:
        """The file that has a name."""
        return next((entry for entry in self.entries.values() if entry.holds and entry.name == name), None)

    def files(self) -> dict[str, Entry]:
        """Everything that is listed."""
        return {entry.name: entry for entry in self.entries.values() if entry.holds}

    def under_way(self) -> list[Entry]:
        """The uploads that have no file yet."""
        return [entry for entry in self.entries.values() if not entry.holds]

    def below(self, path: str) -> list[Entry]:
        """All that lies in a folder or in folders of it."""
        return [entry for entry in self.entries.values() if entry.name.startswith(f"{path}/")]

    def folders_below(self, path: str) -> list[str]:
        """The folders in a folder, and itself."""
        return [each for each in self.folders if f"{each}/".startswith(f"{path}/")]

    def directly_in(self, folder: str) -> tuple[list[str], list[str]]:
        """The folders and the files that a list of a folder shows."""
        found = ([each for each in names if split_name(each)[0] == folder] for names in (self.folders, self.files()))
        folders, files = map(sorted, found)
        return folders, files

    @property
    def reserved(self) -> int:
        return sum(entry.length for entry in [*self.entries.values(), *self.trash.values()])

    def blocked(self, name: str) -> Iterator[TransferError]:
        """Why there can be no folders for a name."""
        if any(self.holder(each) for each in above(name)):
            yield BY_FILE

    def taken(self, name: str) -> Iterator[TransferError]:
        """Why a name cannot be given without a number."""
        if name in self.folders:
            yield BY_FOLDER
        elif self.holder(name):
            yield BY_FILE

    def refused_at_once(self, name: str, *, overwrite: bool) -> Iterator[TransferError]:
        """Why nothing of a file is wanted."""
        if overwrite and name in self.folders:
            yield BY_FOLDER
        yield from self.blocked(name)

    def unclaimable(self, name: str, *, overwrite: bool) -> Iterator[TransferError]:
        """Why a file that is whole cannot get its name, or one with a number."""
        if overwrite and name in self.folders:
            yield BY_FOLDER
        elif (name in self.folders or self.holder(name)) and not overwrite:
            try:
                numbered_name(name, 2)
            except NameTaken as error:
                yield error
        yield from self.blocked(name)

    def unmovable(self, path: str, new_path: str) -> Iterator[TransferError]:
        """Why a folder cannot be moved."""
        if path not in self.folders:
            yield NotFound("Folder not found")
        elif new_path == path:
            return
        elif new_path.startswith(f"{path}/"):
            yield InvalidRequest("A folder cannot be moved into itself")
        yield from self.taken(new_path)
        names = [*self.folders_below(path), *(entry.name for entry in self.below(path))]
        if not all(is_name(new_path + name[len(path) :]) for name in names):
            yield InvalidName("A name in the folder would become too long")
        yield from self.blocked(new_path)

    def undeletable(self, path: str, *, is_recursive: bool) -> Iterator[TransferError]:
        """Why a folder cannot be deleted."""
        if path not in self.folders:
            yield NotFound("Folder not found")
        elif not is_recursive and (len(self.folders_below(path)) > 1 or self.below(path)):
            yield FolderNotEmpty()

    def place(self, entry: Entry, name: str) -> None:
        """Give an entry, new or not, a name, with the folders that it takes."""
        is_new, old = entry.id not in self.entries, entry.name
        for each in above(name):
            self.folders.setdefault(each, False)
        entry.name = name
        self.entries[entry.id] = entry
        if entry.is_complete:
            self.keep(split_name(name)[0])
        if not is_new:
            self.prune(split_name(old)[0])

    def claim(self, entry: Entry, name: str, held: str, *, overwrite: bool) -> None:
        """Let an entry that is whole hold the name that it was given for the one it wanted."""
        holder = self.holder(name)
        if holder is not None and overwrite:
            self.take_away(holder, TrashReason.REPLACED)
        if (holder is None or overwrite) and name not in self.folders:
            assert held == name
        else:
            assert not list(self.taken(held))
            assert any(held == numbered_name(name, number) for number in range(2, 100))
        entry.is_complete, entry.holds, entry.length = True, True, len(entry.data)
        self.place(entry, held)

    def take_away(self, entry: Entry, reason: TrashReason = TrashReason.DELETED, *, is_permanent: bool = False) -> None:
        """Delete a file or an upload."""
        del self.entries[entry.id]
        if entry.is_complete and self.kept_for is not None and not is_permanent:
            self.trash[entry.id] = entry
            entry.reason, entry.expires_at = reason, self.now() + self.kept_for
        self.prune(split_name(entry.name)[0])

    def keep(self, folder: str) -> None:
        """Let a folder stay, and those that it lies in."""
        self.folders.update({each: True for each in above(f"{folder}/") if folder})

    def prune(self, folder: str) -> None:
        """Remove a folder that nothing is in and that is not to stay, and so on upwards."""
        while folder and not self.folders.get(folder, True):
            if len(self.folders_below(folder)) > 1 or self.below(folder):
                return
            del self.folders[folder]
            folder = split_name(folder)[0]

    def move(self, path: str, new_path: str) -> None:
        """Give a folder another path, with all that is in it."""
        moved = {each: self.folders.pop(each) for each in self.folders_below(path)}
        for entry in self.below(path):
            entry.name = new_path + entry.name[len(path) :]
        self.folders.update({new_path + each[len(path) :]: is_kept for each, is_kept in moved.items()})
        for each in above(new_path):
            self.folders.setdefault(each, False)
        self.keep(new_path)
        self.prune(split_name(path)[0])

    def delete_folder(self, path: str, *, is_permanent: bool = False) -> None:
        """Delete a folder with all that is in it."""
        for entry in self.below(path):
            self.take_away(entry, is_permanent=is_permanent)
        for each in self.folders_below(path):
            del self.folders[each]
        self.prune(split_name(path)[0])
