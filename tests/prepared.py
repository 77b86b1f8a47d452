"""What makes tests cheap: what takes long is made once a process, databases, compiled routes and a password's hash."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, MutableMapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from argon2 import PasswordHasher
from sqlalchemy import URL, Engine, Pool, create_engine, insert, make_url
from sqlalchemy.engine import Dialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

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
        connection.execute(f'DROP DATABASE IF EXISTS "{database.database}"')
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


def remember_routes() -> None:
    """Compile once a process what builds the addresses of a route: two thirds of the time that another app takes."""
    compile_builder = Rule._compile_builder
    known: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}

    def remembered(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        if rule.defaults:  # they become part of the code
            return compile_builder(rule, append_unknown)
        key = (rule.rule, tuple(rule._trace), append_unknown)
        if key not in known:
            known[key] = compile_builder(rule, append_unknown)
        return known[key]

    Rule._compile_builder = remembered  # type: ignore[assignment, method-assign]


def remember_hash(password: str) -> None:
    """Hash this password once a process, with each choice of costs. It is verified, and others are hashed, as ever."""
    hash_password = PasswordHasher.hash
    known: dict[tuple[int, int, int], str] = {}

    def remembered(hasher: PasswordHasher, secret: str | bytes, *, salt: bytes | None = None) -> str:
        if secret not in (password, password.encode()) or salt is not None:
            return hash_password(hasher, secret, salt=salt)
        costs = (hasher.memory_cost, hasher.time_cost, hasher.parallelism)
        if costs not in known:
            known[costs] = hash_password(hasher, secret)
        return known[costs]

    PasswordHasher.hash = remembered  # type: ignore[assignment, method-assign]


def remember_statements() -> None:
    """Compile a statement once a process, and not once for each engine of each test: a tenth of what tests take."""
    begin = Engine.__init__
    compiled: dict[type[Dialect], MutableMapping[Any, Any]] = {}

    def remembering(engine: Engine, pool: Pool, dialect: Dialect, url: URL, **arguments: Any) -> None:
        begin(engine, pool, dialect, url, **arguments)
        kind = type(dialect)  # what a statement is looked up by has the dialect in it
        kind.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
        kind.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]
        engine._compiled_cache = compiled.setdefault(kind, LRUCache(5000))

    Engine.__init__ = remembering  # type: ignore[assignment, method-assign]
