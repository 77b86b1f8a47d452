"""Another name for a file."""

import uuid
from collections.abc import Callable
from datetime import datetime

from transfer_service.db.database import Database
from transfer_service.errors import NameTaken, NotFound
from transfer_service.models.files import File, FileState, folded
from transfer_service.services.files import dates as file_dates
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.files import FileService, FileStatus
from transfer_service.services.files.naming import find_holder, lock_names


class Renaming:
    """Gives files other names."""

    def __init__(self, *, database: Database, files: FileService, now: Callable[[], datetime]) -> None:
        self._database = database
        self._files = files
        self._now = now

    def rename(self, account_id: uuid.UUID, file_id: uuid.UUID, name: str) -> FileStatus:
        """Give a file of the account another name, finished or not. Raises NotFound, NameTaken."""
        with self._database.write() as session:
            file = session.get(File, file_id, with_for_update=True)
            found = file_rows.find_visible_by_id(session, file_id)
            if file is None or found is None or file.account_id != account_id:
                raise NotFound("File not found")
            lock_names(session, account_id)
            holder = find_holder(session, account_id, name)
            if holder is not None and holder.id != file_id:
                raise NameTaken("A file has this name")
            if file.name != name:
                now = self._now()
                file_dates.retire(session, file_id)
                if file.state is FileState.COMPLETE:
                    file.completed_at = file_dates.date_for(session, account_id, name, now)
                file.name, file.folded_name, file.updated_at = name, folded(name), max(file.updated_at, now)
        return self._files.get(account_id, file_id)
