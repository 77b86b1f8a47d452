"""The key that tokens are signed with: one for all instances of an installation, and who has another one is told."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import select

from config import Settings
from tests.conftest import SECRET, Clock
from transfer_service.app import begin_serving, create_app
from transfer_service.models.upkeep import Installation
from transfer_service.web.context import EXTENSION

OTHER = "another secret of at least thirty-two bytes"
Start = Callable[..., Flask]


@pytest.fixture
def start(make_app: Start, make_settings: Callable[..., Settings], clock: Clock) -> Iterator[Start]:
    """Start an instance with a key."""
    make_app().extensions[EXTENSION].database.dispose()
    apps: list[Flask] = []

    def starting(secret: str, **settings: Any) -> Flask:
        apps.append(create_app(make_settings(secret_key=secret, **settings), now=clock))
        begin_serving(apps[-1])
        return apps[-1]

    yield starting
    for app in apps:
        app.extensions[EXTENSION].database.dispose()


def is_told(capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether a start has said that its key is another one."""
    return "secret_key_differs" in capsys.readouterr().out


def kept(app: Flask) -> str | None:
    with app.extensions[EXTENSION].database.read() as session:
        fingerprint: str | None = session.scalars(select(Installation.key_fingerprint)).one()
    return fingerprint


def test_an_instance_with_another_key_is_told_so_at_each_start(start: Start, capsys: Any) -> None:
    first = kept(start(SECRET))
    assert not is_told(capsys)
    for _ in range(2):
        app = start(OTHER)
        assert is_told(capsys)
        assert kept(app) == first
    start(SECRET)
    assert not is_told(capsys)


def test_what_is_kept_tells_nothing_of_the_key(start: Start) -> None:
    app = start(SECRET)
    fingerprint = kept(app)
    assert fingerprint is not None
    assert len(fingerprint) == 32
    assert SECRET not in json.dumps(fingerprint)


def test_a_key_that_was_changed_on_purpose_becomes_the_installations(start: Start, capsys: Any) -> None:
    start(SECRET)
    app = start(OTHER)
    assert is_told(capsys)
    result = app.test_cli_runner().invoke(args=["database", "adopt"], input="y\n")
    assert (result.exit_code, "The key is the installation's now" in result.output) == (0, True)
    start(OTHER)
    assert not is_told(capsys)
    start(SECRET)
    assert is_told(capsys)


def test_a_rotated_key_is_no_other_installation(start: Start, capsys: Any) -> None:
    before = kept(start(SECRET))
    assert kept(start(SECRET, previous_secret_keys=[SecretStr(OTHER)])) == before
    after = kept(start(OTHER, previous_secret_keys=[SecretStr(SECRET)]))
    assert after not in {None, before}
    start(SECRET, previous_secret_keys=[SecretStr(OTHER)])  # one that was not rotated yet starts again
    start(OTHER, previous_secret_keys=[SecretStr(SECRET)])
    assert kept(start(OTHER)) == after
    assert not is_told(capsys)
    start(SECRET)
    assert is_told(capsys)


def test_there_is_nothing_to_adopt_after_a_rotation(start: Start) -> None:
    start(SECRET)
    app = start(OTHER, previous_secret_keys=[SecretStr(SECRET)])
    result = app.test_cli_runner().invoke(args=["database", "adopt"])
    assert (result.exit_code, "SECRET_KEY" in result.output) == (0, False)


def test_a_database_that_is_adopted_forgets_the_key_of_its_old_installation(start: Start, capsys: Any) -> None:
    app = start(SECRET)
    app.extensions[EXTENSION].installation.adopt()
    start(SECRET)
    assert not is_told(capsys)


def test_in_read_only_mode_nothing_is_kept(start: Start, capsys: Any) -> None:
    app = start(SECRET)
    app.extensions[EXTENSION].installation.adopt()
    assert kept(start(SECRET, read_only=True)) is None
    start(OTHER)
    start(SECRET, read_only=True)
    assert is_told(capsys)
