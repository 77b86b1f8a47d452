"""An app for tests that leave nothing behind: made once a module, so that long tables are cheap."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from pydantic import SecretStr

from config import Settings
from tests.conftest import SECRET, Clock, Device, signed_in
from transfer_service.app import create_app
from transfer_service.bootstrap import Services
from transfer_service.web.context import EXTENSION

__all__ = ["signed_in"]

SignIn = Callable[[Flask, str], Device]
MakeApp = Callable[..., Flask]


@pytest.fixture(scope="module")
def shared_app(tmp_path_factory: pytest.TempPathFactory, prepared_database: Path) -> Iterator[Flask]:
    """One app for all tests of a module, with the accounts `alice`, `bob` and the administrator `root`."""
    folder = tmp_path_factory.mktemp("shared")
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg] # nothing of a developer's
        data_dir=folder,
        secret_key=SecretStr(SECRET),
        trash_days=30,
    )
    shutil.copyfile(prepared_database, folder / "transfer.sqlite3")
    app = create_app(settings, now=Clock())
    app.testing = True
    services: Services = app.extensions[EXTENSION]
    yield app
    services.database.dispose()


@pytest.fixture(scope="module")
def shared_device(shared_app: Flask) -> Device:
    """`alice`, signed in on the shared app."""
    return signed_in(shared_app, "alice")


def blob_path(data_dir: Path, file_id: str) -> Path:
    """Where the bytes of a file lie in the data folder of a test."""
    return next((data_dir / "blobs").glob(f"*/{file_id.replace('-', '')}"))


def blobs(data_dir: Path) -> list[Path]:
    """Everything that is stored in the data folder of a test."""
    return [path for path in (data_dir / "blobs").rglob("*") if path.is_file() and not path.name.startswith(".")]
