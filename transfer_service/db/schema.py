"""The database's schema: what brings it up to date, and whether it is.

Alembic is loaded only to migrate: it takes 10 MiB, and a start mostly finds nothing to do.
"""

from functools import cache

from sqlalchemy import text

from transfer_service.db.database import Database
from transfer_service.errors import SchemaOutdated
from transfer_service.shipped import COMMAND, shipped

MIGRATIONS = shipped("migrations")
MOVING = "moving"
"""In the place of a revision: another database is being carried over into this one (`moving`)."""


def upgrade(url: str, revision: str = "head") -> None:
    """Run every migration that a database has not seen, up to a revision."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    command.upgrade(config, revision)


def check(database: Database) -> None:
    """Raises SchemaOutdated where the schema is not the one of this version, StoreUnavailable where nobody can tell."""
    with database.read() as session:
        found = session.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if list(found) == [MOVING]:
        raise SchemaOutdated(f"A move into this database is not finished: {COMMAND} database move")
    if list(found) != [newest()]:
        raise SchemaOutdated


@cache
def newest() -> str:
    """The revision of this version: files of migrations begin with theirs, and are numbered in order."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("*.py")).partition("_")[0]
