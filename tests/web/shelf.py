"""Archives on an app's shelf, for the tests of `/game-zip/`."""

import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.games import FINISHED_AT, add_archive
from transfer_service.bootstrap import Services
from transfer_service.web.context import EXTENSION

METHODS = [pytest.param(zipfile.ZIP_STORED, id="stored"), pytest.param(zipfile.ZIP_DEFLATED, id="deflated")]


@dataclass
class Shelf:
    """An app with its data folder, for archives."""

    app: Flask
    data_dir: Path

    @property
    def services(self) -> Services:
        bound: Services = self.app.extensions[EXTENSION]
        return bound

    def add(self, content: bytes, **arguments: Any) -> str:
        """A game with this archive, and the beginning of its members' paths."""
        return f"/game-zip/{add_archive(self.services, self.data_dir, content, **arguments)}"


def refusal(response: Any) -> tuple[int, str]:
    """Status and detail; nothing else may be in the body."""
    ((name, detail),) = response.get_json().items()
    assert name == "detail"
    return response.status_code, detail


def later(days: int) -> datetime:
    return FINISHED_AT + timedelta(days=days)
