"""The database's schema: what brings it up to date, and whether it is."""

from functools import cache
from pathlib import Path

from alembic import command as alembic
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from transfer_service.db.database import Database
from transfer_service.errors import SchemaOutdated

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def upgrade(url: str, revision: str = "head") -> None:
    """Run every migration that a database has not seen, up to a revision."""
    config = _config()
    config.attributes["url"] = url
    alembic.upgrade(config, revision)


def check(database: Database) -> None:
    """Raises SchemaOutdated where the schema is not the one of this version, StoreUnavailable where nobody can tell."""
    with database.read() as session:
        found = session.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if list(found) != [_newest()]:
        raise SchemaOutdated


@cache
def _newest() -> str:
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
