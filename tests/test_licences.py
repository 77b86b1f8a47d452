"""The list of licences: what the requirements need and nothing else, and no package of which nobody has looked at."""

import importlib.util
import subprocess
import sys
from email.message import Message
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).parents[1]
SCRIPT = REPOSITORY / "scripts/licences.py"


@pytest.fixture
def licences() -> ModuleType:
    """The script, as a module of its own for each test."""
    spec = importlib.util.spec_from_file_location("licences", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["licences"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def told(**fields: str) -> Message:
    message = Message()
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    return message


def test_the_page_is_what_the_requirements_need() -> None:
    checked = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_requirement_without_a_line_is_noticed(licences: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    shortened = "\n".join(line for line in licences.page().splitlines() if not line.startswith("| flask |"))
    page = licences.page()
    monkeypatch.setattr(licences, "page", lambda: shortened)
    monkeypatch.setattr(sys, "argv", ["licences.py", "--check"])
    with pytest.raises(SystemExit, match=r"run .*licences\.py"):
        licences.main()
    assert page == licences.PAGE.read_text()  # --check writes nothing


@pytest.mark.parametrize("fields", [
    pytest.param({}, id="silent"),
    pytest.param({"License_Expression": "GPL-3.0-or-later"}, id="copyleft"),
    pytest.param({"License_Expression": "MIT AND LGPL-2.1-only"}, id="partly-copyleft"),
    pytest.param({"License": "BSD License"}, id="vague"),
    pytest.param({"Classifier": "License :: Other/Proprietary License"}, id="proprietary"),
])  # fmt: skip
def test_a_package_that_nobody_has_judged_ends_it(
    licences: ModuleType, monkeypatch: pytest.MonkeyPatch, fields: dict[str, str]
) -> None:
    monkeypatch.setattr(licences, "metadata", lambda _name: told(**fields))
    with pytest.raises(licences.Unknown, match=r"newcomer 1\.0"):
        licences._package("newcomer==1.0")


@pytest.mark.parametrize(("line", "licence"), [
    ("alembic==1", "MIT"), ("psycopg[binary]==1", "LGPL-3.0-only"),
    ("python-dateutil==1", "Apache-2.0 OR BSD-3-Clause"),
    ('async-timeout==5; python_full_version < "3.11.3"', "Apache-2.0"),
])  # fmt: skip
def test_a_licence_is_named_as_spdx_does(licences: ModuleType, line: str, licence: str) -> None:
    assert licences._package(line).licence == licence


def test_a_folder_of_others_in_the_pages_is_noticed(
    licences: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "some-library").mkdir()
    monkeypatch.setattr(licences, "STATIC", tmp_path)
    with pytest.raises(licences.Unknown, match="some-library"):
        licences.page()
