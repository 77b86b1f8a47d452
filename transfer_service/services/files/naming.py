"""Giving a file its name when it is whole: numbered where that is taken, or in place of the old one."""

import uuid
from typing import NamedTuple

from transfer_service.db.database import Executor
from transfer_service.errors import NameTaken
from transfer_service.models.files import FileState, TrashReason
from transfer_service.services.core import Core
from transfer_service.services.files.files import take_away
from transfer_service.services.files.folder_rows import A_FOLDER_HAS_IT, find_holder, lock_names
from transfer_service.services.files.rows import lock
from transfer_service.wire.filenames import numbered_name


class ClaimedName(NamedTuple):
    """A name, whether another file had it until now, and the blob of that one, if it is the caller's to discard."""

    name: str
    has_replaced: bool = False
    blob_id: uuid.UUID | None = None


def check_name(rows: Executor, account_id: uuid.UUID, name: str, *, overwrite: bool) -> None:
    """Refuse early what `claim_name` would refuse when all bytes are there. Raises NameTaken."""
    if overwrite:
        holder = find_holder(rows, account_id, name)
        if holder is not None and holder.state is FileState.FOLDER:
            raise NameTaken(A_FOLDER_HAS_IT)


def claim_name(
    rows: Executor, account_id: uuid.UUID, name: str, *, overwrite: bool, core: Core, new_bytes: int = 0
) -> ClaimedName:
    """A name that a file may hold from the caller's transaction on: `name` itself, or `name` with a number.

    With `overwrite` the file that holds it goes. Room for `new_bytes` is reserved before that: until then there are
    both. Raises QuotaExceeded, and NameTaken where a folder holds the name.
    """
    lock_names(rows, account_id)
    holder = find_holder(rows, account_id, name)
    if holder is not None and holder.state is FileState.FOLDER and overwrite:
        raise NameTaken(A_FOLDER_HAS_IT)
    replaced = lock(rows, holder.id) if holder is not None and overwrite else None
    core.space.reserve(rows, account_id, new_bytes)
    if replaced is not None:
        return ClaimedName(name, True, take_away(rows, replaced, core, TrashReason.REPLACED))
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
