"""A PostgreSQL server of one's own, on a free port, in a temporary folder."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import NotInstalled
from tests.ports import free_port


@dataclass
class Postgresql:
    """A server that may go and come back. `url` is without a database, `pid` that of its first process."""

    folder: Path
    port: int
    connections: int = 100
    host: str = "127.0.0.1"
    has_autovacuum: bool = True
    pid: int = 0

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"postgresql://transfer@{self.host}:{self.port}"

    def create(self, name: str) -> str:
        """The URL of a new, empty database."""
        import psycopg

        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"{self.url.replace('postgresql:', 'postgresql+psycopg:')}/{name}"

    def make(self) -> None:
        """Write the files of a fresh one. Raises NotInstalled."""
        self._run("initdb", "-U", "transfer", "-A", "trust", "--no-sync")
        if self.host != "127.0.0.1":
            with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {self.host}/24 trust\n")

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses={self.host} -c fsync=off"
        options += f" -c max_connections={self.connections} -c autovacuum={'on' if self.has_autovacuum else 'off'}"
        self._run("pg_ctl", "-w", "-l", self.folder / "log", "-o", options, "start")
        self.pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def stop(self, mode: str = "immediate") -> None:
        """Go away: `immediate` is like a kill, `fast` ends the sessions in order."""
        self._run("pg_ctl", "-m", mode, "stop")

    def _run(self, program: str, *arguments: str | Path) -> None:
        # PostgreSQL refuses to run as root: Debian's package brings a user for it.
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
        command = [*user, programs() / program, "-D", self.folder / "data", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def postgresql(*, connections: int = 100, host: str = "127.0.0.1", has_autovacuum: bool = True) -> Iterator[Postgresql]:
    """A fresh server for so many connections, which may come from this network of `host`. Raises NotInstalled."""
    programs()
    folder = Path(tempfile.mkdtemp(prefix="transfer-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    server = Postgresql(folder, free_port(), connections=connections, host=host, has_autovacuum=has_autovacuum)
    server.make()
    server.start()
    try:
        yield server
    finally:
        with suppress(subprocess.CalledProcessError):  # it is away already
            server.stop()
        shutil.rmtree(folder)


def programs() -> Path:
    """The newest installed server's bin folder. Raises NotInstalled."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not versions and on_path is None:
        raise NotInstalled("PostgreSQL is not installed")
    return versions[-1].parent if versions else Path(on_path or "").parent
