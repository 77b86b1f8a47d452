"""Fixtures that every part of the test suite shares: an app on a fresh data folder, and signed-in clients."""

import gc
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import socketio  # noqa: F401 - before the service, which leaves out what clients need
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from pydantic import SecretStr
from sqlalchemy import delete
from werkzeug.test import TestResponse

from config import Settings
from tests.growing import plugin as growing
from tests.growing.plugin import (
    pytest_addoption,
    pytest_report_header,
    pytest_sessionfinish,
    pytest_sessionstart,
    pytest_terminal_summary,
)
from tests.object_store import object_store_server, object_store_url, objects, own_object_store, store_address
from tests.postgres import postgres_server, postgres_url, unmade_postgres_url
from tests.prepared import migrate, remember_hash, remember_routes, remember_statements
from transfer_service.app import create_app
from transfer_service.bootstrap import Services, build_services
from transfer_service.models.events import Activity
from transfer_service.services.events.actions import Action
from transfer_service.web.accounts.tokens import make_tokens
from transfer_service.web.context import EXTENSION
from transfer_service.wire.chunk_frames import LONG_FRAME, SHORT_FRAME

__all__ = [
    "object_store_server",
    "object_store_url",
    "objects",
    "own_object_store",
    "postgres_server",
    "postgres_url",
    "pytest_addoption",
    "pytest_report_header",
    "pytest_sessionfinish",
    "pytest_sessionstart",
    "pytest_terminal_summary",
    "store_address",
    "unmade_postgres_url",
]

SECRET = "a test secret of at least thirty-two bytes"
PASSWORD = "correct horse"

remember_routes()
remember_hash(PASSWORD)
remember_statements()

# How long one example takes on a machine with other things to do proves nothing.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose, and begin with the modules that take longest where several processes share them (`--dist loadscope`)."""
    growing.choose_items(config, items)
    if hasattr(config, "workerinput"):
        sizes = Counter(item.path for item in items)
        are_long = {item.path for item in items if item.get_closest_marker("long")}
        items.sort(key=lambda item: (item.path not in are_long, -sizes[item.path]))


def pytest_collection_finish() -> None:
    """Let no search for garbage look at thousands of tests and their modules again and again: they stay to the end."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Measure no coverage of what walks the same lines hundreds of times: it makes that take four times as long."""
    if item.get_closest_marker("unmeasured") is None:
        return (yield)
    measuring = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(measuring)


@dataclass
class Clock:
    """A clock that stands still until it is told to move."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **duration: float) -> None:
        """Move forward (or, negative, back) by a timedelta's arguments."""
        self.at += timedelta(**duration)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Ask for this fixture to run a test on both databases; everything else runs on SQLite."""
    return _url_on(request, tmp_path, "postgres_url")


@pytest.fixture(params=["sqlite", "postgresql"])
def unmade_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same for who calls `migrate`, which makes it, before anything else."""
    return _url_on(request, tmp_path, "unmade_postgres_url")


def _url_on(request: pytest.FixtureRequest, tmp_path: Path, on_a_server: str) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.sqlite3'}"
    url: str = request.getfixturevalue(on_a_server)
    return url


@pytest.fixture
def make_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Settings of a service with its own data folder; keyword arguments are fields of `Settings`."""
    monkeypatch.chdir(tmp_path)  # no .env of the developer's

    def make(**overrides: Any) -> Settings:
        return Settings(**{"data_dir": tmp_path / "data", "secret_key": SECRET, **overrides})

    return make


def _prepare(services: Services) -> None:
    """Migrate the database and make the accounts that every test has."""
    migrate(services.database.url)
    if not services.accounts.list_accounts():
        for name in ("alice", "bob"):
            services.accounts.create(name, PASSWORD)
        services.accounts.create("root", PASSWORD, is_admin=True)
    forget_activities(services)


def forget_activities(services: Services, *, only: Action | None = None) -> None:
    """Empty the audit log of what a test has not done itself."""
    with services.database.write() as session:
        session.execute(delete(Activity) if only is None else delete(Activity).where(Activity.action == only.value))


@pytest.fixture(scope="session")
def prepared_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database to copy: migrated, with the accounts `alice`, `bob` and the administrator `root`."""
    folder = tmp_path_factory.mktemp("prepared")
    services = build_services(Settings(data_dir=folder, secret_key=SecretStr(SECRET)))
    _prepare(services)
    services.database.dispose()
    return folder / "transfer.sqlite3"


@pytest.fixture(scope="session")
def prepared_data(tmp_path_factory: pytest.TempPathFactory, prepared_database: Path) -> Path:
    """A data folder to copy: that database and its empty store, joined as a first start does it."""
    folder = tmp_path_factory.mktemp("prepared") / "data"
    folder.mkdir()
    shutil.copyfile(prepared_database, folder / "transfer.sqlite3")
    services = build_services(Settings(data_dir=folder, secret_key=SecretStr(SECRET)))
    services.installation.ensure()
    services.database.dispose()
    return folder


@pytest.fixture
def make_app(
    make_settings: Callable[..., Settings], clock: Clock, prepared_database: Path, prepared_data: Path
) -> Iterator[Callable[..., Flask]]:
    """Apps with a migrated database and the accounts `alice`, `bob` and the administrator `root`.

    `boot` names the boot of the machine that they take for the present one. One that `joins` is another instance of
    the app made before. A data folder that is not there yet comes with a store that is joined with its database.
    """
    made: list[Flask] = []

    def make(*, boot: str | None = None, joins: bool = False, **overrides: Any) -> Flask:
        settings = make_settings(**overrides)
        own = settings.data_dir / "transfer.sqlite3"
        if settings.database_url is None and not own.exists():
            if settings.data_dir.exists() or settings.store_address is not None:
                own.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(prepared_database, own)
            else:
                shutil.copytree(prepared_data, settings.data_dir)
        app = create_app(settings, now=clock, boot=boot)
        app.testing = True
        app.extensions[EXTENSION].account_removal.ended_within_seconds = 0.0  # nothing runs at other instances
        if settings.database_url is not None and not joins:
            _prepare(app.extensions[EXTENSION])
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions[EXTENSION].database.dispose()


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def services(app: Flask) -> Services:
    bound: Services = app.extensions[EXTENSION]
    return bound


@dataclass
class Device:
    """A signed-in client in the same process."""

    client: FlaskClient
    headers: dict[str, str]

    def request(self, method: str, path: str, **arguments: Any) -> TestResponse:
        """Any request with this account's token; `headers` are added to it."""
        headers = {**self.headers, **arguments.pop("headers", {})}
        return self.client.open(path, method=method, headers=headers, **{"buffered": True, **arguments})

    def get(self, path: str, **arguments: Any) -> TestResponse:
        return self.request("GET", path, **arguments)

    def post(self, path: str, **arguments: Any) -> TestResponse:
        return self.request("POST", path, **arguments)

    def delete(self, path: str, **arguments: Any) -> TestResponse:
        return self.request("DELETE", path, **arguments)

    def send(self, frame: bytes, filename: str = "log.bin", **arguments: Any) -> TestResponse:
        """A 17-byte frame as a raw body."""
        query = {"filename": filename, **arguments.pop("query", {})}
        return self.post("/api/files/upload", data=frame, query_string=query, **arguments)

    def send_range(self, file_id: str, start: int, data: bytes, total: int | str) -> TestResponse:
        """A 12-byte frame with its Content-Range."""
        content_range = f"bytes {start}-{start + len(data) - 1}/{total}"
        frame = SHORT_FRAME.format(start, data)
        return self.post(f"/upload/{file_id}", data=frame, headers={"Content-Range": content_range})

    def store(self, data: bytes, filename: str = "log.bin", **arguments: Any) -> dict[str, Any]:
        """A whole file by `POST /api/files`, and its status."""
        query = {"filename": filename, **arguments.pop("query", {})}
        response = self.post("/api/files", data=data, query_string=query, **arguments)
        assert response.status_code == 201, response.text
        status: dict[str, Any] = response.get_json()
        return status

    def status(self, filename: str = "log.bin") -> dict[str, Any]:
        status: dict[str, Any] = self.get(f"/api/files/status/{filename}").get_json()
        return status

    def names(self) -> list[str]:
        """The names of everything the account has."""
        return [file["filename"] for file in self.get("/api/files").get_json()["files"]]


def frame(start: int, data: bytes) -> bytes:
    """A valid 17-byte frame."""
    return LONG_FRAME.format(start, data)


def signed_in(app: Flask, name: str) -> Device:
    """An account signed in on an app, without the time that a password costs."""
    services: Services = app.extensions[EXTENSION]
    with app.app_context():
        account_id = services.accounts.get(name).account_id
        access, _ = make_tokens(services.sign_ins.begin(account_id=account_id, name=name))
    forget_activities(services, only=Action.ACCOUNT_SIGNED_IN)
    return Device(app.test_client(use_cookies=False), {"Authorization": f"Bearer {access}"})


@pytest.fixture
def sign_in() -> Callable[[Flask, str], Device]:
    """Sign an account in on an app."""

    return signed_in


@pytest.fixture
def device(app: Flask, sign_in: Callable[[Flask, str], Device]) -> Device:
    """`alice`, signed in."""
    return sign_in(app, "alice")


@pytest.fixture
def other_device(app: Flask, sign_in: Callable[[Flask, str], Device]) -> Device:
    """`bob`, signed in."""
    return sign_in(app, "bob")


@pytest.fixture
def admin(app: Flask, sign_in: Callable[[Flask, str], Device]) -> Device:
    """`root`, signed in."""
    return sign_in(app, "root")
