"""The database's schema: what brings it up to date."""

from pathlib import Path

from alembic import command as alembic
from alembic.config import Config

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def upgrade(url: str) -> None:
    """Run every migration that a database has not seen."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    alembic.upgrade(config, "head")
