"""What tests of backups share: a full installation, places to restore it to, and how a backup is looked at."""

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from pydantic import SecretStr

from tests.conftest import SECRET, Clock, Device
from tests.everything import Everything, fill
from tests.web.conftest import MakeApp
from transfer_service.app import begin_serving, create_app
from transfer_service.config import Settings
from transfer_service.web.context import EXTENSION

Place = dict[str, Any]
"""Settings that say where an installation is."""


class Places:
    """Makes places of each kind of database and store, and starts services there."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path, make_settings: Callable[..., Settings]) -> None:
        self._request, self._folder, self._make_settings = request, folder, make_settings
        self._number = 0
        self.apps: list[Flask] = []

    def new(self, database: str, store: str) -> Place:
        """An empty one."""
        self._number += 1
        place: Place = {"data_dir": self._folder / f"place-{self._number}", "trash_days": 30}
        if database == "postgresql":
            import psycopg

            server, name = self._request.getfixturevalue("postgres_server"), f"backup_{uuid.uuid4().hex}"
            with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"')
            place["database_url"] = f"{server.replace('postgresql:', 'postgresql+psycopg:')}/{name}"
        if store == "s3":
            place["storage_url"] = self._request.getfixturevalue("object_store_server").new_url()
        return place

    def app(self, place: Place, **settings: Any) -> Flask:
        """An app at a place, which does not serve yet."""
        return self.app_of(self.settings(place, **settings))

    def settings(self, place: Place, **settings: Any) -> Settings:
        """Those of a place."""
        return self._make_settings(**place, **settings)

    def app_of(self, settings: Settings) -> Flask:
        """An app, which does not serve yet."""
        self.apps.append(create_app(settings, now=Clock()))
        self.apps[-1].testing = True
        return self.apps[-1]

    def serve(self, place: Place, there: Everything, **settings: Any) -> Device:
        """A service at a place, and the device of the one that was there before: its tokens go on to count."""
        app = self.app(place, **settings)
        begin_serving(app)
        return Device(app.test_client(use_cookies=False), there.device.headers)


@pytest.fixture
def places(request: pytest.FixtureRequest, tmp_path: Path, make_settings: Callable[..., Settings]) -> Iterator[Places]:
    made = Places(request, tmp_path, make_settings)
    yield made
    for app in made.apps:
        app.extensions[EXTENSION].database.dispose()


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory, prepared_database: Path) -> Everything:
    """A full installation with SQLite and a folder that has stopped, to be copied."""
    data_dir = tmp_path_factory.mktemp("full") / "data"
    data_dir.mkdir()
    shutil.copyfile(prepared_database, data_dir / "transfer.sqlite3")
    app = create_app(Settings(data_dir=data_dir, secret_key=SecretStr(SECRET), trash_days=30), now=Clock())
    app.testing = True
    there = fill(app, data_dir)
    there.services.database.dispose()
    return there


@pytest.fixture
def there(full: Everything, make_app: MakeApp, make_settings: Callable[..., Settings]) -> Everything:
    """A copy of it, which runs."""
    shutil.copytree(full.services.core.settings.data_dir, make_settings().data_dir)
    app = make_app(trash_days=30)
    alice, admin = (Device(app.test_client(use_cookies=False), each.headers) for each in (full.device, full.admin))
    return Everything(app, alice, admin, {**full.ids})


def run(app: Flask, *arguments: str | Path) -> Result:
    return app.test_cli_runner().invoke(args=[str(each) for each in arguments])


def read(folder: Path) -> dict[str, Any]:
    """What the backup that counts says of itself."""
    facts: dict[str, Any] = json.loads((generation(folder) / "backup.json").read_text())
    return facts


def generation(folder: Path) -> Path:
    return folder / (folder / "current").read_text().strip()


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file of a backup, with what would change if it were touched."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file()
    }
