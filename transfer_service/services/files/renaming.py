"""Another name for a file."""

import uuid
from dataclasses import replace

from transfer_service.db.database import run_again
from transfer_service.errors import NameTaken, NotFound
from transfer_service.models.files import FileState
from transfer_service.services.core import Core
from transfer_service.services.files import dates as file_dates
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.files import FileService
from transfer_service.services.files.folder_rows import A_FILE_HAS_IT, A_FOLDER_HAS_IT, find_holder, lock_names, prune
from transfer_service.services.files.rows import FileRecord


class Renaming:
    """Gives files other names."""

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
                prune(rows, file.folder_id)
        return self._files.get(account_id, file_id)
