"""The folders of an account: looking, making, moving, deleting."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, literal, literal_column, select, update

from transfer_service.db.database import Executor, run_again
from transfer_service.db.prepared import PreparedSelect
from transfer_service.errors import FolderNotEmpty, InvalidName, InvalidRequest, NameTaken, NotFound
from transfer_service.models.files import File, FileState, Folder, TrashReason, folded
from transfer_service.services.core import Core
from transfer_service.services.events.actions import Action
from transfer_service.services.events.audit import record
from transfer_service.services.files import folder_rows
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.dates import date_of_move
from transfer_service.services.files.files import FileService, take_away
from transfer_service.services.files.folder_rows import (
    A_FILE_HAS_IT,
    A_FOLDER_HAS_IT,
    find_holder,
    is_below,
    lock_names,
)
from transfer_service.threads import T
from transfer_service.wire.filenames import MAX_LABEL_BYTES, MAX_LABELS, MAX_NAME_BYTES, split_name

BATCH = 200
TOO_LONG = "A name in the folder would become too long"
_files, _folders = File.__table__, Folder.__table__
_is_file = _files.c.state != FileState.FOLDER
_CHILD = PreparedSelect(select(_files.c.id).where(_files.c.folder_id == bindparam("folder_id")).limit(1))


@dataclass(frozen=True, slots=True)
class FolderRecord:
    """A folder. `files`, `folders` and `total_bytes` count all that is below it, of files what has arrived."""

    path: str
    created_at: datetime
    files: int = 0
    folders: int = 0
    total_bytes: int = 0


class FolderService:
    """Knows folders and changes them."""

    def __init__(self, core: Core, *, files: FileService) -> None:
        self._core = core
        self._database = core.database
        self._files = files
        self._offload = core.offload
        self._now = core.now

    def get(self, account_id: uuid.UUID, path: str) -> FolderRecord:
        """The folder at a path. Raises NotFound."""
        with self._database.read_rows() as rows:
            return self._run(lambda: self._count(rows, account_id, path))

    def _run(self, work: Callable[[], T]) -> T:
        """Do what may take long, in SQLite off the event loop."""
        return self._offload(work) if self._database.is_sqlite else work()

    @staticmethod
    def _count(rows: Executor, account_id: uuid.UUID, path: str) -> FolderRecord:
        found = _found(rows, account_id, path)
        is_in = (_folders.c.account_id == account_id, is_below(path))
        below = _files.join(_folders, _folders.c.id == _files.c.folder_id)
        of_files = select(func.count(), func.coalesce(func.sum(_files.c.received_bytes), 0))
        files, total_bytes = rows.execute(of_files.select_from(below).where(*is_in, file_rows.is_visible)).one()
        folders = rows.execute(select(func.count()).select_from(_folders).where(*is_in)).scalar_one()
        return FolderRecord(path, found.created_at, files, folders - 1, int(total_bytes))

    @run_again
    def create(self, account_id: uuid.UUID, path: str) -> tuple[FolderRecord, bool]:
        """The folder at a path, made with its parents where there is none; and whether it was. Raises NameTaken."""
        with self._database.write_rows() as rows:
            lock_names(rows, account_id)
            is_new = folder_rows.find_folder(rows, account_id, path) is None
            now = self._now()
            folder_id = folder_rows.open_folder(rows, account_id, path, now, is_kept=True)
            if is_new:
                record(rows, Action.FOLDER_CREATED, str(folder_id), {"path": path}, at=now)
        return self.get(account_id, path), is_new

    def list_folders(
        self,
        account_id: uuid.UUID,
        path: str,
        *,
        search: str = "",
        is_ascending: bool = True,
        limit: int,
        after: str = "",
    ) -> list[FolderRecord]:
        """The folders directly in one, by path, behind the path `after`; with `search` all below whose path has it.

        The path that is searched is that behind the folder's own. Nothing in them is counted. Raises NotFound.
        """
        with self._database.read_rows() as rows:
            parent = _found(rows, account_id, path) if path else None
            conditions = [_folders.c.account_id == account_id]
            if search:
                find = func.instr if self._database.is_sqlite else func.strpos
                behind = func.substr(_folders.c.folded_path, len(folded(f"{path}/")) + 1 if path else 1)
                behind = func.rtrim(behind, "/")
                is_other = (is_below(path), _folders.c.path != f"{path}/") if path else ()
                conditions += [find(behind, folded(search)) > 0, *is_other]
            else:
                is_in = _files.c.folder_id == parent.id if parent else _files.c.folder_id.is_(None)
                # Worded like the index of folders, so that it is used.
                is_folder = _files.c.state == literal_column("'folder'")
                conditions += [_files.c.account_id == account_id, is_in, is_folder]
            # Directly in one folder it is the labels that have an index.
            key, place = (_folders.c.path, f"{after}/") if search else (_files.c.name, split_name(after)[1])
            if after:
                conditions.append(key > place if is_ascending else key < place)
            shown = select(_folders.c.path, _files.c.created_at)
            statement = shown.join(_files, _files.c.id == _folders.c.id).where(*conditions)
            ordered = statement.order_by(key.asc() if is_ascending else key.desc()).limit(limit)
            found = self._run(lambda: rows.execute(ordered).all())
            return [FolderRecord(row.path[:-1], row.created_at) for row in found]

    @run_again
    def move(self, account_id: uuid.UUID, path: str, new_path: str) -> FolderRecord:
        """Give a folder another path, with all that is in it. Raises NotFound, NameTaken, InvalidRequest."""
        with self._database.write_rows() as rows:
            lock_names(rows, account_id)
            folder = _found(rows, account_id, path)
            if new_path != path:
                if new_path.startswith(f"{path}/"):
                    raise InvalidRequest("A folder cannot be moved into itself")
                self._move(rows, folder, path, new_path)
            folder_rows.keep(rows, folder.id)
        return self.get(account_id, new_path)

    def _move(self, rows: Executor, folder: Any, path: str, new_path: str) -> None:
        account_id, now = folder.account_id, self._now()
        holder = find_holder(rows, account_id, new_path)
        if holder is not None:
            raise NameTaken(A_FOLDER_HAS_IT if holder.state is FileState.FOLDER else A_FILE_HAS_IT)
        self._check_room(rows, account_id, path, new_path)
        above, label = split_name(new_path)
        parent_id = folder_rows.open_folder(rows, account_id, above, now)
        folder_rows.keep(rows, parent_id)
        place = {"folder_id": parent_id, "name": label, "folded_name": folded(label)}
        rows.execute(update(_files).where(_files.c.id == folder.id).values(place))
        change = (
            update(_folders)
            .where(_folders.c.account_id == account_id, is_below(path))
            .values(
                path=literal(new_path) + func.substr(_folders.c.path, len(path) + 1),
                folded_path=literal(folded(new_path)) + func.substr(_folders.c.folded_path, len(folded(path)) + 1),
                moved_at=date_of_move(rows, account_id, now),
            )
        )
        self._run(lambda: rows.execute(change))
        folder_rows.prune(rows, folder.parent_id)
        record(rows, Action.FOLDER_MOVED, folder.id, {"path": new_path, "previous": path}, at=now)

    @staticmethod
    def _check_room(rows: Executor, account_id: uuid.UUID, path: str, new_path: str) -> None:
        """Every name below must stay one. Raises InvalidName."""
        is_in = (_folders.c.account_id == account_id, is_below(path))
        folders = {row.path[:-1] for row in rows.execute(select(_folders.c.path).where(*is_in))}
        moved = [new_path + each[len(path) :] for each in folders]
        if not all(map(_is_name, moved)):
            raise InvalidName(TOO_LONG)
        if all(_is_name(f"{each}/{'a' * MAX_LABEL_BYTES}") for each in moved):
            return
        names = select(file_rows.WHOLE_NAME.label("name")).select_from(file_rows.in_folders(_files)).where(*is_in)
        if not all(_is_name(new_path + row.name[len(path) :]) for row in rows.execute(names)):
            raise InvalidName(TOO_LONG)

    def delete(self, account_id: uuid.UUID, path: str, *, is_recursive: bool, is_permanent: bool = False) -> None:
        """Remove a folder, with `is_recursive` all that is in it, as if one by one. Raises NotFound, FolderNotEmpty."""
        while blob_ids := self._delete_some(account_id, path, is_recursive=is_recursive, is_permanent=is_permanent):
            for blob_id in filter(None, blob_ids):
                self._files.discard_blob(blob_id)
            with self._database.read_rows() as rows:
                if folder_rows.find_folder(rows, account_id, path) is None:  # it came with an upload, and went with it
                    return

    @run_again
    def _delete_some(
        self, account_id: uuid.UUID, path: str, *, is_recursive: bool, is_permanent: bool
    ) -> list[uuid.UUID | None]:
        """Take some files away, or what is left: the folders. What `take_away` gives."""
        with self._database.write_rows(durable=True) as rows:
            lock_names(rows, account_id)
            folder = _found(rows, account_id, path)
            if not is_recursive and _CHILD.find(rows, {"folder_id": folder.id}) is not None:
                raise FolderNotEmpty
            below = _files.join(_folders, _folders.c.id == _files.c.folder_id)
            is_one = (_folders.c.account_id == account_id, is_below(path), _is_file)
            file_ids = rows.execute(select(_files.c.id).select_from(below).where(*is_one).limit(BATCH)).scalars().all()
            files = filter(None, [file_rows.lock(rows, file_id) for file_id in sorted(file_ids)])
            reason = TrashReason.DELETED
            blob_ids = [take_away(rows, file, self._core, reason, is_permanent=is_permanent) for file in files]
            if not blob_ids:
                ids = select(_folders.c.id).where(_folders.c.account_id == account_id, is_below(path))
                rows.execute(delete(_files).where(_files.c.id.in_(ids)))
                folder_rows.prune(rows, folder.parent_id)
            if folder_rows.find_folder(rows, account_id, path) is None:  # it may have come with an upload, and gone so
                record(rows, Action.FOLDER_DELETED, folder.id, {"path": path}, at=self._now())
            return blob_ids


def _is_name(name: str) -> bool:
    """Whether a name is short enough."""
    return len(name.encode()) <= MAX_NAME_BYTES and name.count("/") < MAX_LABELS


def _found(rows: Executor, account_id: uuid.UUID, path: str) -> Any:
    """Raises NotFound."""
    folder = folder_rows.find_folder(rows, account_id, path)
    if folder is None:
        raise NotFound("Folder not found")
    return folder
