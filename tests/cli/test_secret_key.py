"""The command line: `flask --app wsgi rotate-key`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from pydantic import SecretStr

from config import Settings
from tests.conftest import SECRET, signed_in
from transfer_service.app import create_app
from transfer_service.key_file import Keys, read_keys
from transfer_service.web.context import EXTENSION

OTHER = "another secret of at least thirty-two bytes"


@pytest.fixture
def generated(make_app: Callable[..., Flask], make_settings: Callable[..., Settings]) -> Iterator[Flask]:
    """An app whose key was generated, in the data folder."""
    make_app().extensions[EXTENSION].database.dispose()
    settings = make_settings(secret_key=None)
    settings.use_generated_key()
    app = create_app(settings)
    yield app
    app.extensions[EXTENSION].database.dispose()


@pytest.fixture
def path(generated: Flask) -> Path:
    found: Path | None = generated.extensions[EXTENSION].core.settings.generated_key
    assert found is not None
    return found


def run(app: Flask, *arguments: str, stdin: str = "") -> Result:
    return app.test_cli_runner().invoke(args=["rotate-key", *arguments], input=stdin)


def test_the_three_steps_of_several_instances(generated: Flask, path: Path) -> None:
    first = read_keys(path).signing
    assert run(generated, "--prepare").exit_code == 0
    second = read_keys(path).prepared
    assert run(generated).exit_code == 0
    assert read_keys(path) == Keys(str(second), None, (first,))
    result = run(generated, "--finish", "--yes")
    assert (result.exit_code, "1 keys dropped" in result.output) == (0, True)
    assert read_keys(path) == Keys(str(second))


def test_one_instance_needs_one_step(generated: Flask, path: Path) -> None:
    first = read_keys(path).signing
    result = run(generated)
    assert (result.exit_code, read_keys(path).previous) == (0, (first,))
    assert "--prepare first avoids that" in result.output


def test_keys_are_not_dropped_unasked_and_never_printed(generated: Flask, path: Path) -> None:
    results = [run(generated, "--prepare"), run(generated), run(generated, "--finish", stdin="n\n")]
    keys = read_keys(path)
    assert ([result.exit_code for result in results], len(keys.previous)) == ([0, 0, 1], 1)
    assert not any(key in result.output for key in (keys.signing, *keys.previous) for result in results)
    assert run(generated, "--prepare", "--finish").exit_code == 2


def test_a_second_key_is_not_prepared(generated: Flask, path: Path) -> None:
    run(generated, "--prepare")
    keys = read_keys(path)
    result = run(generated, "--prepare")
    assert (result.exit_code, result.stderr) == (1, "Error: The next key is prepared already\n")
    assert read_keys(path) == keys


@pytest.mark.parametrize("step", [[], ["--prepare"]])
def test_a_key_of_the_settings_is_replaced_there(app: Flask, step: list[str]) -> None:
    result = run(app, *step)
    assert (result.exit_code, "SECRET_KEY is set in the environment" in result.stderr) == (1, True)


def test_at_the_end_links_are_sealed_by_the_present_key(make_app: Callable[..., Flask]) -> None:
    device = signed_in(make_app(), "alice")
    stored = device.store(b"abc", "a.bin")["file_id"]
    made = [device.post("/api/links", json={"file_ids": [stored]}).get_json()["url"] for _ in range(3)]
    rotated = make_app(joins=True, secret_key=OTHER, previous_secret_keys=[SecretStr(SECRET)])
    result = run(rotated, "--finish")
    assert (result.exit_code, "3 addresses of links sealed" in result.output) == (0, True)
    assert "TRANSFER_PREVIOUS_SECRET_KEYS can go" in result.output
    later = signed_in(make_app(joins=True, secret_key=OTHER), "alice")
    assert sorted(link["url"] for link in later.get("/api/links").get_json()["links"]) == sorted(made)
    assert "0 addresses of links" in run(rotated, "--finish").output


def test_the_installation_knows_the_present_key_though_nothing_has_started_with_it(
    make_app: Callable[..., Flask],
) -> None:
    services = make_app().extensions[EXTENSION]
    services.signing_key.ensure()
    rotated = make_app(joins=True, secret_key=OTHER, previous_secret_keys=[SecretStr(SECRET)])
    assert run(rotated, "--finish").exit_code == 0
    later = make_app(joins=True, secret_key=OTHER).extensions[EXTENSION]
    assert not later.signing_key.is_another()
