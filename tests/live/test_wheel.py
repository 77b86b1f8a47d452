"""The wheel: what is in it, and that it runs in any empty folder, by who may change nothing of the installation."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from email.message import Message
from email.parser import Parser
from pathlib import Path

import psutil
import pytest
import requests
from pydantic import SecretStr

from config import Settings
from tests.conftest import SECRET
from tests.live.server import REPOSITORY, wait_until
from tests.missing import missing
from tests.ports import free_port
from transfer_service.app import create_app
from transfer_service.version import VERSION

pytestmark = pytest.mark.one_machine("it is about one installation")

FOLDERS = ("transfer_service", "migrations", "scripts")
FILES = ("pyproject.toml", "README.md", "LICENSE", ".gitignore", "gunicorn.conf.py", "openapi.yaml")
START_SECONDS = 60.0
DATA = os.urandom(300_000)


def copy_of_the_tree(folder: Path) -> Path:
    """What a wheel is made of, with other times and rights, in another place."""
    folder.mkdir()
    for name in FOLDERS:
        shutil.copytree(REPOSITORY / name, folder / name, copy_function=shutil.copyfile)
    for name in (*FILES, *(path.name for path in REPOSITORY.glob("requirements*.txt"))):
        shutil.copyfile(REPOSITORY / name, folder / name)
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return folder


ONE_DATE = {"SOURCE_DATE_EPOCH": "1767225600"}


def build(tree: Path, target: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=tree, env={**os.environ, **ONE_DATE}, check=True, capture_output=True)
    (wheel,) = target.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What scripts/package makes."""
    folder = tmp_path_factory.mktemp("packaged")
    command = [str(REPOSITORY / "scripts/package"), str(folder)]
    subprocess.run(command, env={**os.environ, **ONE_DATE}, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(packaged: Path) -> Path:
    return packaged / f"transfer_service-{VERSION}-py3-none-any.whl"


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(f"transfer_service-{VERSION}.dist-info/METADATA").decode())


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The installed command, run by whoever may not write to its environment, not even as root.

    The packages that it needs are those of the tests' environment: to install them anew would take a minute.
    """
    if shutil.which("setpriv") is None:
        missing("setpriv is not installed")
    folder = tmp_path_factory.mktemp("installed") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    install = ["-m", "pip", "--python", str(folder), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([sys.executable, *install, str(wheel)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    assert sorted(path.name for path in packages.iterdir()) == [
        "transfer_service",
        f"transfer_service-{VERSION}.dist-info",
    ]
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"] if os.geteuid() == 0 else []
    tried = subprocess.run([*powerless, "touch", str(packages / "new")], capture_output=True, check=False)
    assert tried.returncode != 0
    return [*powerless, str(folder / "bin/transfer-service")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder, but for settings."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".env").write_text(f"TRANSFER_BIND=127.0.0.1:{free_port()}\nTRANSFER_TRASH_DAYS=3\n")
    return folder


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("TRANSFER_", "PYTHON"))}


def run(program: list[str], folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*program, *words],
        cwd=folder, env=environment(), input=stdin, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_same_tree_gives_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    again = build(copy_of_the_tree(tmp_path / "tree"), tmp_path / "again")
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (wheel, again)]
    assert (digests[0], wheel.name) == (digests[1], again.name)


def test_the_source_archive_has_what_a_setup_needs(packaged: Path) -> None:
    with tarfile.open(packaged / f"transfer_service-{VERSION}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    there = {path.name for path in REPOSITORY.glob("requirements*.txt")}
    for folder in ("deploy", "docs", "scripts", "migrations"):
        files = [
            path for path in (REPOSITORY / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts
        ]
        there |= {str(path.relative_to(REPOSITORY)) for path in files}
    assert there | {"wsgi.py", "config.py", "gunicorn.conf.py", "openapi.yaml", "README.md", "LICENSE"} <= names
    assert not {name.partition("/")[0] for name in names} & {"tests", "benchmarks", "var", ".venv", ".git"}


def test_the_client_comes_beside_it_and_in_the_source_archive(packaged: Path) -> None:
    names = {f"{name}-{VERSION}" for name in ("transfer_service", "transfer_service_client")}
    made = {path.name for path in packaged.iterdir()}
    assert made == {f"{name}{end}" for name in names for end in ("-py3-none-any.whl", ".tar.gz")}
    with tarfile.open(packaged / f"transfer_service_client-{VERSION}.tar.gz") as archive:
        alone = {name.partition("/")[2] for name in archive.getnames()}
    with tarfile.open(packaged / f"transfer_service-{VERSION}.tar.gz") as archive:
        together = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"pyproject.toml", "requirements.txt", "README.md", "LICENSE", "transfer_service_client/py.typed"}
    assert needed <= alone
    assert {f"client/{name}" for name in needed} <= together


def test_everything_that_runs_is_in_it_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {"transfer_service/openapi.yaml", "transfer_service/gunicorn.conf.py"}
    for base, below in ((REPOSITORY, "transfer_service"), (REPOSITORY, "migrations")):
        for path in (base / below).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                place = path.relative_to(REPOSITORY)
                expected.add(str(place if below == "transfer_service" else "transfer_service" / place))
    assert names == expected
    assert {name.partition("/")[0] for name in names} == {"transfer_service"}


def test_it_needs_what_the_requirements_files_pin(metadata: Message) -> None:
    needed: dict[str, set[str]] = {}
    for line in metadata.get_all("Requires-Dist", []):
        requirement, _, extra = line.partition("extra == ")
        needed.setdefault(extra.strip("'\""), set()).add(_plain(requirement.rstrip("; ").removesuffix(" and")))
    pinned = {}
    for path in REPOSITORY.glob("requirements*.txt"):
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        pinned[path.stem.removeprefix("requirements").removeprefix("-")] = {_plain(line) for line in lines}
    del pinned["dev"]
    assert needed == pinned
    assert set(metadata.get_all("Provides-Extra", [])) == set(pinned) - {""}
    assert {"postgresql", "redis", "s3", "previews"} <= set(pinned)


def _plain(requirement: str) -> str:
    """A requirement without what may be written in more than one way."""
    return re.sub(r"[\s()'\"]", "", requirement).lower()


def test_it_says_what_it_is(metadata: Message, program: list[str], folder: Path) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert (metadata["Name"], metadata["Version"], metadata["License-Expression"]) == (
        project["name"],
        VERSION,
        project["license"],
    )
    assert run(program, folder, "--version").stdout == f"transfer-service {VERSION}\n"
    assert not (folder / "var").exists()


def test_it_has_the_commands_that_flask_has(program: list[str], folder: Path) -> None:
    shown = run(program, folder, "--help").stdout.partition("Commands:")[2]
    app = create_app(Settings(_env_file=None, data_dir=folder / "var", secret_key=SecretStr(SECRET)))  # type: ignore[call-arg]
    assert set(re.findall(r"^  (\w[\w-]*) ", shown, re.MULTILINE)) == set(app.cli.commands)
    assert {"serve", "instance", "worker", "accounts", "cleanup", "verify", "database", "games", "storage"} <= set(
        app.cli.commands
    )


def test_wrong_settings_stop_every_command_by_name(program: list[str], folder: Path) -> None:
    (folder / ".env").write_text("TRANSFER_QUOTA_BYTES=much\n")
    for words in (["serve"], ["accounts", "list"]):
        result = run(program, folder, *words)
        assert (result.returncode, "TRANSFER_QUOTA_BYTES" in result.stderr, "Traceback" in result.stderr) == (
            1,
            True,
            False,
        )


@pytest.fixture
def served(program: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder.parent / "log").open("wb") as log:
        process = subprocess.Popen(
            [*program, "serve"], cwd=folder, env=environment(), stdout=log, stderr=log, start_new_session=True
        )
    yield process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_it_serves_and_cleans_up_in_an_empty_folder(
    program: list[str], folder: Path, served: subprocess.Popen[bytes]
) -> None:
    url = "http://" + (folder / ".env").read_text().split("\n")[0].partition("=")[2]
    log = folder.parent / "log"
    wait_until(lambda: _is_ready(url, served, log), seconds=START_SECONDS)
    (password,) = re.findall(r"^Account admin created, password: (\S+)$", log.read_text(), re.MULTILINE)
    session = requests.Session()
    token = session.post(f"{url}/auth/token", json={"username": "admin", "password": password}, timeout=30).json()
    session.headers["Authorization"] = f"Bearer {token['access_token']}"
    sent = session.post(f"{url}/api/files?filename=a/b.bin", data=DATA, timeout=30)
    assert (sent.status_code, session.get(f"{url}/download/a/b.bin", timeout=30).content) == (201, DATA)
    pages = [session.get(url + path, timeout=30) for path in ("/openapi.yaml", "/docs", "/docs/assets/swagger-ui.css")]
    assert [page.status_code for page in pages] == [200] * 3
    assert pages[0].content == (REPOSITORY / "openapi.yaml").read_bytes()
    made = run(program, folder, "accounts", "create", "camera", "--password-stdin", stdin="a long password\n")
    assert (made.returncode, made.stdout) == (0, "Account camera created\n")
    cleaned = run(program, folder, "cleanup", "--json")
    assert (json.loads(cleaned.stdout)["dry_run"], cleaned.returncode) == (False, 0)
    names = {Path(f"/proc/{each.pid}/comm").read_text().strip() for each in _processes(served)}
    assert "transfer-worker" in names
    served.terminate()
    assert served.wait(timeout=60) == 0
    wait_until(lambda: not _processes(served))
    assert sorted(path.name for path in folder.iterdir()) == [".env", "var"]
    assert "Traceback" not in log.read_text()


def test_the_worker_runs_by_itself(program: list[str], folder: Path) -> None:
    refused = run(program, folder, "cleanup").stderr
    assert refused == "Error: The database must be upgraded first: transfer-service database upgrade\n"
    assert run(program, folder, "database", "upgrade").stdout == "Database is up to date\n"
    with (folder.parent / "worker.log").open("wb") as log:
        worker = subprocess.Popen([*program, "worker"], cwd=folder, env=environment(), stdout=log, stderr=log)
    try:
        wait_until(lambda: "worker_started" in (folder.parent / "worker.log").read_text(), seconds=START_SECONDS)
        worker.terminate()
        assert worker.wait(timeout=30) == 0
    finally:
        worker.kill()
        worker.wait()
    assert "worker_stopped" in (folder.parent / "worker.log").read_text()


def test_an_instance_runs_without_a_worker(program: list[str], folder: Path) -> None:
    assert run(program, folder, "database", "upgrade").returncode == 0
    url = "http://" + (folder / ".env").read_text().split("\n")[0].partition("=")[2]
    log = folder.parent / "instance.log"
    with log.open("wb") as output:
        instance = subprocess.Popen(
            [*program, "instance"], cwd=folder, env=environment(), stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until(lambda: _is_ready(url, instance, log), seconds=START_SECONDS)
        assert len(_processes(instance)) == 2
        instance.terminate()
        assert instance.wait(timeout=60) == 0
    finally:
        for process in _processes(instance):
            process.kill()
        instance.wait()


def _processes(served: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """What runs in its session."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(process.pid) == served.pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _is_ready(url: str, served: subprocess.Popen[bytes], log: Path) -> bool:
    assert served.poll() is None, log.read_text()
    with suppress(requests.ConnectionError):
        return requests.get(f"{url}/readyz", timeout=5).status_code == 200
    return False
