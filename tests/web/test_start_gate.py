"""A service that was started before its database is right: too old a schema, or another installation's."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import create_engine, text

from config import Settings
from tests.conftest import Clock, Device
from tests.web.chat import socket_client
from transfer_service.app import begin_serving, create_app
from transfer_service.db.schema import upgrade
from transfer_service.errors import SchemaOutdated
from transfer_service.web.context import EXTENSION

COMMAND = "flask --app wsgi database upgrade"


@pytest.fixture
def make_old_app(make_settings: Callable[..., Settings], clock: Clock) -> Iterator[Callable[[str, str | None], Flask]]:
    """An app that serves, on a database of an older version, or with None on one that was never migrated."""
    made: list[Flask] = []

    def make(url: str, revision: str | None) -> Flask:
        app = create_app(make_settings(database_url=url), now=clock)
        made.append(app)
        if revision is not None:
            upgrade(url, revision)
        begin_serving(app)
        return app

    yield make
    for app in made:
        app.extensions[EXTENSION].database.dispose()


CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/api/files?filename=a", {"data": b"abc"}),
    ("POST", "/api/files/upload?filename=a", {"data": b"x" * 20}),
    ("POST", "/upload/a", {"data": b"x" * 20}),
    ("POST", "/api/uploads", {"headers": {"Tus-Resumable": "1.0.0", "Upload-Length": "3"}}),
    ("POST", "/auth/token", {"json": {"username": "a", "password": "b"}}),
    ("DELETE", "/api/files/a", {}),
    ("POST", "/cleanup", {}),
]


def is_refused(client: FlaskClient, method: str, path: str, arguments: dict[str, Any]) -> bool:
    answer = client.open(path, method=method, **arguments)
    return answer.status_code == 503 and COMMAND in answer.text and int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("revision", [None, "0001", "0004"])
def test_on_an_old_schema_nothing_is_changed_and_the_command_is_named(
    make_old_app: Callable[[str, str | None], Flask], database_url: str, revision: str | None
) -> None:
    client = make_old_app(database_url, revision).test_client()
    ready = client.get("/readyz")
    assert (ready.status_code, COMMAND in ready.get_json()["detail"]) == (503, True)
    assert [each for each in CHANGES if not is_refused(client, *each)] == []
    assert client.get("/healthz").status_code == 200


def test_it_works_as_soon_as_the_database_is_migrated(
    make_old_app: Callable[[str, str | None], Flask], database_url: str
) -> None:
    app = make_old_app(database_url, "0004")
    client = app.test_client()
    assert client.get("/readyz").status_code == 503
    upgrade(database_url)
    assert client.get("/readyz").status_code == 200
    app.extensions[EXTENSION].accounts.create("alice", "correct horse")
    assert client.post("/auth/token", json={"username": "alice", "password": "correct horse"}).status_code == 200


def test_no_socket_is_let_in_before_its_events_may_change_something(app: Flask, device: Device) -> None:
    gate = app.extensions[EXTENSION].gate
    state = {"is_right": False}

    def step() -> None:
        if not state["is_right"]:
            raise SchemaOutdated

    gate.add(step)
    assert not socket_client.connect(app, device.headers).is_connected()
    state["is_right"] = True
    assert socket_client.connect(app, device.headers).is_connected()


def test_a_schema_that_is_newer_than_the_code_is_refused_too(
    make_old_app: Callable[[str, str | None], Flask], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'newer.sqlite3'}"
    upgrade(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert make_old_app(url, None).test_client().get("/readyz").status_code == 503
