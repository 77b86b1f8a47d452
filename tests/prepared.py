"""Migrated databases in an instant: migrated once a process, and copied from then on."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, insert, make_url

from transfer_service.db.database import Database
from transfer_service.db.schema import upgrade
from transfer_service.models.upkeep import Installation


def migrate(url: str) -> None:
    """Bring an empty database to the schema of today, as `database upgrade` does."""
    database = make_url(url)
    if database.get_backend_name() == "sqlite":
        path = Path(database.database or "")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_migrated_file(), path)
        return
    server = database.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    template = _migrated_template(server)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{database.database}"')
        connection.execute(f'CREATE DATABASE "{database.database}" TEMPLATE "{template}"')


@cache
def _migrated_file() -> Path:
    path = Path(tempfile.mkdtemp(prefix="transfer-prepared-")) / "transfer.sqlite3"
    upgrade(f"sqlite:///{path}")
    _name_installation(f"sqlite:///{path}")
    return path


def _name_installation(url: str) -> None:
    """As a first start does; the stores get the id from whoever looks first."""
    engine = create_engine(url)
    with engine.begin() as connection:
        row = {"id": 1, "installation_id": str(uuid.uuid4()), "is_joined": False, "created_at": datetime.now(UTC)}
        connection.execute(insert(Installation), row)
    engine.dispose()


@cache
def _migrated_template(server: str) -> str:
    name = f"migrated_{os.getpid()}"  # of this process: several may share the server
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    url = make_url(server).set(drivername="postgresql+psycopg", database=name).render_as_string(hide_password=False)
    upgrade(url)
    _name_installation(url)
    return name


def migrated_sqlite(folders: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with every table, in a folder of its own: what a fixture yields."""
    url = f"sqlite:///{folders.mktemp('database') / 'test.sqlite3'}"
    migrate(url)
    database = Database(url)
    yield database
    database.dispose()
