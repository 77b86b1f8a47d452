"""A PostgreSQL server of one's own, on a free port, in a temporary folder."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import free_port


class NotInstalled(RuntimeError):
    """There is no PostgreSQL on this machine."""


@dataclass(frozen=True)
class Postgresql:
    """A running server. `url` is without a database."""

    url: str
    pid: int

    def create(self, name: str) -> str:
        """The URL of a new, empty database."""
        import psycopg

        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"{self.url.replace('postgresql:', 'postgresql+psycopg:')}/{name}"


@contextmanager
def postgresql() -> Iterator[Postgresql]:
    """A fresh server. Raises NotInstalled."""
    folder_of_programs = programs()
    folder = Path(tempfile.mkdtemp(prefix="transfer-postgres-"))
    prefix: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root: Debian's package brings a user for it
        shutil.chown(folder, "postgres")
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    data, port = folder / "data", free_port()

    def run(program: str, *arguments: str | Path) -> None:
        command = [*prefix, folder_of_programs / program, "-D", data, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    run("initdb", "-U", "transfer", "-A", "trust", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("pg_ctl", "-w", "-l", folder / "log", "-o", options, "start")
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        yield Postgresql(f"postgresql://transfer@127.0.0.1:{port}", pid)
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def programs() -> Path:
    """The newest installed server's bin folder. Raises NotInstalled."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not versions and on_path is None:
        raise NotInstalled("PostgreSQL is not installed")
    return versions[-1].parent if versions else Path(on_path or "").parent
