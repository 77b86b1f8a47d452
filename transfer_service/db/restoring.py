"""Bringing the database of a backup into an empty one: `flask --app wsgi restore`.

SQLite's goes into a file in one step, or by a move (`moving`) into PostgreSQL; PostgreSQL's dump is one transaction of
`pg_restore`. Until then the place is empty, and whoever is killed may be called again.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, func, inspect, make_url, select, text

from transfer_service.db.move_ends import Target, seeds
from transfer_service.db.moving import move_database
from transfer_service.db.postgres_programs import begin_program, finish_program
from transfer_service.db.schema import MOVING, newest, upgrade
from transfer_service.db.snapshots import FILE_NAMES, POSTGRESQL, SQLITE
from transfer_service.db.sqlite import create_private
from transfer_service.db.table_digests import digest_of
from transfer_service.errors import BackupRefused
from transfer_service.models import accounts  # noqa: F401 - with it all tables are known
from transfer_service.models.base import Base

DRAFT = "restore.sqlite3"
Settle = Callable[[Connection], None]
"""Changes what is not true of the new place, as often as it is called."""


class DatabaseRestore:
    """The database in the folder of a generation, on its way to `url`. `folder` is for what is needed meanwhile."""

    def __init__(self, generation: Path, facts: dict[str, object], url: str, folder: Path) -> None:
        self._kind = str(facts["database"])
        self._copy = generation / FILE_NAMES[self._kind]
        self._schema, self._installation = str(facts["schema"]), str(facts["installation"])
        self._url = url
        self._is_sqlite = make_url(url).get_backend_name() == SQLITE
        self._draft = folder / DRAFT
        self.empty_id: str | None = None
        """The installation that an empty database is of, known from `look` on."""

    def look(self) -> bool:
        """Whether it is there already. Raises BackupRefused where anything else is, or where it cannot go there."""
        if self._schema > newest():
            raise BackupRefused(
                f"The backup was made by a newer version of the service: its schema is {self._schema}, not {newest()}"
            )
        if self._kind == POSTGRESQL and self._is_sqlite:
            raise BackupRefused(
                "The backup has a dump of PostgreSQL, which SQLite cannot read: set TRANSFER_DATABASE_URL to an empty "
                "database of PostgreSQL; `database move` brings it into SQLite afterwards"
            )
        path = Path(make_url(self._url).database or "")
        if self._is_sqlite and (not path.is_file() or not path.stat().st_size):
            return False
        with Target(self._url) as target, target.engine.begin() as rows:
            return self._look_at(rows)

    def _look_at(self, rows: Connection) -> bool:
        names = set(inspect(rows).get_table_names())
        if names and "alembic_version" not in names:
            raise BackupRefused("TRANSFER_DATABASE_URL names a database that has tables of something else")
        if not names or rows.execute(text("SELECT version_num FROM alembic_version")).scalar() == MOVING:
            return False  # a move into it looks by itself whether it is this one
        if "installation" in names:
            self.empty_id = rows.execute(text("SELECT installation_id FROM installation")).scalar()
            if self.empty_id == self._installation:
                return True
        for table in Base.metadata.sorted_tables:
            is_filled = table.name in names and rows.scalar(select(func.count()).select_from(table))
            is_new = table.name == "installation" or seeds().get(table.name) is not None
            if is_filled and not (is_new and self._is_as_new(rows, table.name)):
                raise BackupRefused(f"The database is not empty: there is something in its table {table.name}")
        return False

    @staticmethod
    def _is_as_new(rows: Connection, name: str) -> bool:
        """Whether a table has what a first start puts into it."""
        table = Base.metadata.tables[name]
        return name == "installation" or digest_of(rows, table) == seeds()[name]

    def run(self, settle: Settle) -> None:
        """Bring it, in the schema of this version. Raises BackupRefused, MoveRefused, StoreUnavailable."""
        if self._kind == POSTGRESQL:
            self._restore_dump()
            self.finish(settle)
            return
        create_private(self._draft)
        shutil.copyfile(self._copy, self._draft)
        upgrade(f"sqlite:///{self._draft}")
        self._settle_draft(settle)
        if self._is_sqlite:
            self._put_in_place(Path(make_url(self._url).database or ""))
        else:
            move_database(f"sqlite:///{self._draft}", self._url)
            self._draft.unlink()

    def finish(self, settle: Settle) -> None:
        """What follows once it is there. It may be done again."""
        upgrade(self._url)
        with Target(self._url) as target, target.engine.begin() as rows:
            settle(rows)

    def _settle_draft(self, settle: Settle) -> None:
        with Target(f"sqlite:///{self._draft}") as draft:
            with draft.engine.begin() as rows:
                settle(rows)
            with draft.engine.connect() as rows:
                rows.connection.driver_connection.execute("PRAGMA journal_mode = DELETE")  # type: ignore[union-attr] # SQLite's

    def _put_in_place(self, target: Path) -> None:
        create_private(target)
        for ending in ("-wal", "-shm"):  # of the empty one
            target.with_name(target.name + ending).unlink(missing_ok=True)
        with self._draft.open("rb") as file:
            os.fsync(file.fileno())
        if self._draft.parent != target.parent:
            beside = target.with_name(f"{target.name}.restore")
            create_private(beside)
            shutil.copyfile(self._draft, beside)
            with beside.open("rb") as file:
                os.fsync(file.fileno())
            self._draft.unlink()
            beside.replace(target)
        else:
            self._draft.replace(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _restore_dump(self) -> None:
        with Target(self._url) as target, target.engine.begin() as rows:
            if names := inspect(rows).get_table_names():  # those of an empty database that is migrated
                quoted = ", ".join(map(rows.dialect.identifier_preparer.quote, names))
                rows.execute(text(f"DROP TABLE {quoted} CASCADE"))
        options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(self._copy)]
        finish_program(begin_program("pg_restore", self._url, options), "pg_restore")
