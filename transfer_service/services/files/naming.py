"""Giving a file its name when it is whole: numbered where that is taken, or in place of the old one.

And another name later.
"""

import uuid
from dataclasses import replace
from typing import NamedTuple

from transfer_service.db.database import Executor, run_again
from transfer_service.errors import KeyLacksScope, NameTaken, NotFound
from transfer_service.models.files import FileState, TrashReason
from transfer_service.models.keys import Scope
from transfer_service.services.core import Core
from transfer_service.services.events.actions import Action
from transfer_service.services.events.audit import record
from transfer_service.services.files import dates as file_dates
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.files import FileService, take_away
from transfer_service.services.files.folder_rows import A_FILE_HAS_IT, A_FOLDER_HAS_IT, find_holder, lock_names, prune
from transfer_service.services.files.rows import FileRecord, lock
from transfer_service.wire.filenames import numbered_name


class ClaimedName(NamedTuple):
    """A name, the file that had it until now, and the blob of that one, if it is the caller's to discard."""

    name: str
    replaced_id: uuid.UUID | None = None
    blob_id: uuid.UUID | None = None

    @property
    def has_replaced(self) -> bool:
        """Whether another file had it."""
        return self.replaced_id is not None


def check_name(rows: Executor, account_id: uuid.UUID, name: str, *, overwrite: bool) -> None:
    """Refuse early what `claim_name` would refuse when all bytes are there. Raises NameTaken."""
    if overwrite:
        holder = find_holder(rows, account_id, name)
        if holder is not None and holder.state is FileState.FOLDER:
            raise NameTaken(A_FOLDER_HAS_IT)


def claim_name(
    rows: Executor,
    account_id: uuid.UUID,
    name: str,
    *,
    overwrite: bool,
    core: Core,
    new: FileRecord | None = None,
    may_replace: bool = True,
) -> ClaimedName:
    """A name that a file may hold from the caller's transaction on: `name` itself, or `name` with a number.

    With `overwrite` the file that holds it goes. Room for a file that is `new` is reserved before that: until then
    there are both. Raises QuotaExceeded, NameTaken where a folder holds the name, and KeyLacksScope where a file does,
    for a key that `may_replace` none.
    """
    lock_names(rows, account_id)
    holder = find_holder(rows, account_id, name)
    if holder is not None and holder.state is FileState.FOLDER and overwrite:
        raise NameTaken(A_FOLDER_HAS_IT)
    if holder is not None and overwrite and not may_replace:
        raise KeyLacksScope(Scope.FILES.value)
    replaced = lock(rows, holder.id) if holder is not None and overwrite else None
    if new is not None:
        core.space.begin(rows, new)
    if replaced is not None:
        return ClaimedName(name, replaced.id, take_away(rows, replaced, core, TrashReason.REPLACED))
    if holder is None or overwrite:
        return ClaimedName(name)
    taken, free = 1, 2
    while find_holder(rows, account_id, numbered_name(name, free)) is not None:
        taken, free = free, free * 2
    while free - taken > 1:  # so a thousand namesakes cost twenty look-ups
        middle = (taken + free) // 2
        is_taken = find_holder(rows, account_id, numbered_name(name, middle)) is not None
        taken, free = (middle, free) if is_taken else (taken, middle)
    return ClaimedName(numbered_name(name, free))


class Renaming:
    """Gives files other names. They keep their ids, and get a new date."""

    def __init__(self, core: Core, *, files: FileService) -> None:
        self._database = core.database
        self._files = files
        self._now = core.now

    @run_again
    def rename(self, account_id: uuid.UUID, file_id: uuid.UUID, name: str) -> FileRecord:
        """Give a file of the account another name, finished or not. Raises NotFound, NameTaken."""
        with self._database.write_rows() as rows:
            lock_names(rows, account_id)
            file = file_rows.lock(rows, file_id)
            if file is None or file_rows.find_visible_by_id(rows, file_id) is None or file.account_id != account_id:
                raise NotFound("File not found")
            holder = find_holder(rows, account_id, name)
            if holder is not None and holder.id != file_id:
                raise NameTaken(A_FOLDER_HAS_IT if holder.state is FileState.FOLDER else A_FILE_HAS_IT)
            if file.name != name:
                now = self._now()
                file_dates.retire(rows, file_id)
                is_dated = file.is_complete
                completed_at = file_dates.date_for(rows, account_id, name, now) if is_dated else file.completed_at
                at = max(file.updated_at, now)
                file_rows.save(rows, replace(file, name=name, updated_at=at, completed_at=completed_at))
                record(rows, Action.FILE_RENAMED, file_id, {"filename": name, "previous": file.name}, at=now)
                prune(rows, file.folder_id)
        return self._files.get(account_id, file_id)
