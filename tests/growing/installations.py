"""Installations on engines that several machines can share: each with a database, a prefix in the store and a Redis.

The engines are those of a whole run of tests, whatever number of processes it has: who starts it starts them, and the
others find them in the environment. Where there are none, every installation is on a disk, with SQLite.
"""

import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psycopg

from benchmarks.object_store import CREDENTIALS, object_store
from benchmarks.postgres import postgresql
from tests.conftest import SECRET
from tests.redis_server import RedisServer

ENGINES = "GROWING_ENGINES"
"""The variable that says where the engines are."""
STORE = "TRANSFER_STORAGE_URL"
EVERYTHING = "PREFIX"
CONNECTIONS = 600


@dataclass(frozen=True)
class Engines:
    """Running servers. `postgres_url` is without a database, `store_url` without a prefix."""

    postgres_url: str
    store_url: str

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"growing_{uuid.uuid4().hex}"
        with psycopg.connect(f"{self.postgres_url}/postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"{self.postgres_url.replace('postgresql:', 'postgresql+psycopg:')}/{name}"

    def new_store(self) -> str:
        """The URL of an empty prefix in the store."""
        return self.store_url.replace(EVERYTHING, f"growing/{uuid.uuid4().hex}")


@dataclass
class Installation:
    """What its instances share. `settings` are environment variables; they may be cut off from Redis by `redis`."""

    settings: dict[str, str]
    redis: RedisServer

    def end(self) -> None:
        """Stop what is its own."""
        self.redis.stop()


def new_installation(engines: Engines, folder: Path, *, host: str = "127.0.0.1") -> Installation:
    """An empty one. `folder` is there for its Redis, at the address `host`."""
    redis = RedisServer(folder, host=host)
    redis.start()
    settings = {
        "TRANSFER_DATABASE_URL": engines.new_database(),
        STORE: engines.new_store(),
        "TRANSFER_REDIS_URL": redis.url,
        "SECRET_KEY": SECRET,
    }
    return Installation(settings, redis)


@contextmanager
def running_engines(host: str = "127.0.0.1") -> Iterator[Engines]:
    """Servers for this process and all that it starts, at the address `host`. Raises NotInstalled."""
    with ExitStack() as stack:
        database = stack.enter_context(postgresql(connections=CONNECTIONS, host=host))
        os.environ.update(CREDENTIALS)
        running = Engines(database.url, stack.enter_context(object_store(host)).url(EVERYTHING))
        os.environ[ENGINES] = json.dumps(asdict(running))
        stack.callback(os.environ.pop, ENGINES)
        yield running


def engines() -> Engines | None:
    """Those that this run of tests has."""
    told = os.environ.get(ENGINES)
    return Engines(**json.loads(told)) if told else None


@dataclass
class _Known:
    """The installations of this process's tests, by the data folder that a test names."""

    by_folder: dict[Path, Installation] = field(default_factory=dict)


_known = _Known()


def settings_of(data_dir: Path) -> dict[str, str]:
    """What puts an installation on the engines, made when it is first asked for; nothing where there are none."""
    shared = engines()
    if shared is None:
        return {}
    if data_dir not in _known.by_folder:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        _known.by_folder[data_dir] = new_installation(shared, data_dir.parent)
    return _known.by_folder[data_dir].settings


def is_without_disk(settings: Mapping[str, str]) -> bool:
    """Whether instances with these settings share no folder, so that each has one of its own."""
    return settings.get(STORE, "").startswith("s3:")


def forget(data_dir: Path) -> None:
    """Stop what is an installation's own, if it has anything."""
    if installation := _known.by_folder.pop(data_dir, None):
        installation.end()


def forget_all() -> None:
    """The same for all that are left."""
    for data_dir in [*_known.by_folder]:
        forget(data_dir)


def local_ports(settings: dict[str, str]) -> dict[str, int]:
    """The ports of the engines, by the setting that names each."""
    found = {name: re.search(r"127\.0\.0\.1(?::|%3A)(\d+)", value) for name, value in settings.items()}
    return {name: int(match[1]) for name, match in found.items() if match}
