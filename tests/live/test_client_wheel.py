"""The client's wheel in empty environments of several Pythons: it runs, and nothing of the service is needed."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from transfer_service_client.version import VERSION

from tests.client.account_service import KEY, AccountService, serving_account
from tests.live.server import REPOSITORY

pytestmark = pytest.mark.one_machine("it is about one installation")

CLIENT = REPOSITORY / "client"
PACKAGE = CLIENT / "transfer_service_client"
OTHER_PYTHONS = ("3.10", "3.13")
COMMANDS = ("login", "logout", "put", "get", "ls", "rm", "mv", "sync", "verify", "share", "send", "import")
PATIENCE_SECONDS = 300
PROJECT = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
BAR = """
from transfer_service_client.cli.bars import Bars
from transfer_service_client.cli.output import Options, Output
bars = Bars(Output(Options()), "sent")
bars.begin("film.mp4", 2000000)
bars.advance("film.mp4", 1000000)
bars._progress.console.print(bars._progress.get_renderable())  # there is no terminal that it would draw on
bars.close()
"""
LOOK = """
import importlib, json, pkgutil, sys
import transfer_service_client as client
names = [each.name for each in pkgutil.walk_packages(client.__path__, "transfer_service_client.")]
for name in names:
    if name != "transfer_service_client.__main__":
        importlib.import_module(name)
print(json.dumps({"count": len(names), "public": [hasattr(client, name) for name in client.__all__],
                  "loaded": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


def build(target: Path, folder: Path) -> Path:
    """The wheel of a copy of the client's tree, with other times and rights, in another place."""
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    shutil.copytree(CLIENT, folder, copy_function=shutil.copyfile, ignore=ignored)
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return target / f"transfer_service_client-{VERSION}-py3-none-any.whl"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    return build(folder / "dist", folder / "tree")


def make_environment(python: str, folder: Path) -> Path:
    """An empty environment; the path of its Python."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=PATIENCE_SECONDS)
    return folder / "bin/python"


def pip(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """This environment's pip, for another one."""
    command = [sys.executable, "-m", "pip", "--python", str(python), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)


def find_python(version: str) -> str | None:
    """A Python of that version, on the path or by pyenv."""
    paths = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    found = [shutil.which(f"python{version}"), *map(str, paths)]
    works = (f"import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != {tuple(map(int, version.split('.')))})",)
    for each in filter(None, found):
        if subprocess.run([each, "-c", *works], capture_output=True, check=False).returncode == 0:
            return each
    return None


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of this Python with the wheel and what a clone pins for it, and nothing else. Needs no network."""
    python = make_environment(sys.executable, tmp_path_factory.mktemp("installed") / "environment")
    done = pip(python, "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    assert done.returncode == 0, done.stderr
    (target,) = python.parents[1].glob("lib/python*/site-packages")
    for line in (CLIENT / "requirements.txt").read_text().splitlines():
        if not line.startswith("#"):
            _copy(line.partition("==")[0], target)
    return python


def _copy(name: str, target: Path) -> None:
    for file in distribution(name).files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            place = target / file
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), place)


def environment(folder: Path) -> dict[str, str]:
    """Without what the tests or the service have set, and with folders of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRANSFER_", "PYTHON"))}
    return {**kept, "XDG_CONFIG_HOME": str(folder / "config"), "XDG_STATE_HOME": str(folder / "state")}


def run(folder: Path, *command: str | Path) -> str:
    """What a program prints in an empty folder. It may warn of nothing."""
    clean = {**environment(folder), "PYTHONWARNINGS": "error"}
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def check_it_works(python: Path, folder: Path) -> None:
    """The command and every module."""
    command = python.parent / "transfer"
    assert run(folder, command, "--version") == f"transfer {VERSION}\n"
    shown = run(folder, command, "--help")
    assert set(COMMANDS) <= set(shown.split())
    for name in COMMANDS:
        assert run(folder, command, name, "--help").startswith(f"Usage: transfer {name} ")
    assert run(folder, python, "-m", "transfer_service_client", "--help") == shown
    told = json.loads(run(folder, python, "-c", LOOK))
    assert (told["count"], all(told["public"])) == (len(list(PACKAGE.rglob("*.py"))) - 1, True)
    assert not {"transfer_service", "flask", "sqlalchemy", "gevent", "boto3"} & set(told["loaded"])
    assert not list(folder.iterdir()), "it has written something"


def test_the_same_tree_gives_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    again = build(tmp_path / "dist", tmp_path / "tree")
    assert hashlib.sha256(again.read_bytes()).hexdigest() == hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_everything_that_runs_is_in_it_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert names == {str(path.relative_to(CLIENT)) for path in files}
    assert "transfer_service_client/py.typed" in names


def test_it_runs_with_what_a_clone_pins_for_it_and_nothing_else(installed: Path, tmp_path: Path) -> None:
    checked = pip(installed, "check")
    assert checked.returncode == 0, checked.stdout
    check_it_works(installed, tmp_path)


@pytest.mark.parametrize("version", OTHER_PYTHONS)
def test_it_installs_and_runs_in_another_python(wheel: Path, tmp_path: Path, version: str) -> None:
    """With what its ranges find today. CI has one Python."""
    found = find_python(version)
    if found is None:
        pytest.skip(f"there is no Python {version} with venv here")
    python = make_environment(found, tmp_path / "environment")
    done = pip(python, "install", "--quiet", str(wheel))
    if done.returncode != 0 and ("No matching distribution" in done.stderr or "connection" in done.stderr):
        pytest.skip("its dependencies cannot be fetched here")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "empty"
    folder.mkdir()
    check_it_works(python, folder)


@pytest.mark.alone
@pytest.mark.heavy
def test_it_runs_with_the_lowest_versions_that_it_allows(wheel: Path, tmp_path: Path) -> None:
    """Each command's help, each module, and what people do most: a bound that is too low ends here."""
    requirements = [Requirement(line) for line in PROJECT["dependencies"]]
    lowest = [f"{each.name}=={low.version}" for each in requirements for low in each.specifier if low.operator == ">="]
    assert len(lowest) == len(requirements)
    python = make_environment(sys.executable, tmp_path / "environment")
    done = pip(python, "install", "--quiet", str(wheel), *lowest)
    if done.returncode != 0 and ("No matching distribution" in done.stderr or "connection" in done.stderr):
        pytest.skip("its dependencies cannot be fetched here")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "empty"
    folder.mkdir()
    check_it_works(python, folder)
    (folder / "Photos").mkdir()
    (folder / "Photos/lake.jpg").write_bytes(b"a lake")
    with serving_account(AccountService()) as service:
        use(python, folder, service)
    assert (folder / "copy/Photos/lake.jpg").read_bytes() == b"a lake"


def use(python: Path, folder: Path, service: AccountService) -> None:
    """What most people do, at a service."""
    command = python.parent / "transfer"
    run(folder, "sh", "-c", f"echo {KEY} | {command} login {service.url} --key-stdin")
    assert run(folder, command, "put", "Photos").startswith("sent Photos/lake.jpg (6 B)\n")
    assert run(folder, command, "--complete", "bash", "30", "transfer get Ph", "Ph") == "names\nPhotos/\n"
    assert run(folder, command, "ls", "Photos") == "lake.jpg\n"
    run(folder, command, "get", "Photos", "-o", "copy")
    run(folder, command, "verify", "Photos", "Photos")
    assert "film.mp4" in run(folder, "sh", "-c", f"{python} -c '{BAR}' 2>&1")
    run(folder, command, "rm", "-r", "Photos")
    assert service.files == {}
