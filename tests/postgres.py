"""A PostgreSQL server of the test session's own, on a free port, in a temporary folder."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.ports import free_port


def _programs() -> Path | None:
    """The newest installed PostgreSQL's bin folder."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return versions[-1].parent if versions else Path(on_path).parent if on_path else None


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a fresh server, without a database name."""
    programs = _programs()
    if programs is None:
        reason = "PostgreSQL is not installed"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("postgres")
    # PostgreSQL refuses to run as root: Debian's package brings a user for it.
    prefix: list[str] = []
    if os.geteuid() == 0:
        for parent in [folder, *folder.parents]:
            if parent == Path("/tmp"):
                break
            parent.chmod(0o755)
        shutil.chown(folder, "postgres")
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    data, port = folder / "data", free_port()
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([*prefix, programs / "initdb", "-D", data, "-U", "transfer", "-A", "trust", "--no-sync"], **quiet)  # type: ignore[call-overload]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    start = [*prefix, programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"]
    subprocess.run(start, **quiet)  # type: ignore[call-overload]
    yield f"postgresql://transfer@127.0.0.1:{port}"
    subprocess.run([*prefix, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **quiet)  # type: ignore[call-overload]


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """The URL of an empty database."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
    return f"{postgres_server.replace('postgresql:', 'postgresql+psycopg:')}/{name}"
