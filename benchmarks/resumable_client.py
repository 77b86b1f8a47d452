"""The one client that all servers are measured with: tus-js-client on node."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "javascript"


@dataclass(frozen=True, slots=True)
class Way:
    """How a file is sent: in uploads of so many bytes, in chunks of so many. None: all in one."""

    piece_bytes: int | None = None
    chunk_bytes: int | None = None
    parallel: int = 1
    in_creation: bool = False  # whether the request that creates an upload brings its first bytes


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds that the uploads took: by the clock, and of the client's CPU time."""

    wall_seconds: float
    client_cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Stored:
    """A finished upload: the name that it was sent with, and its id."""

    name: str
    length: int
    id: str


class Client:
    """A client that holds the file in memory and waits for a word."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def upload(self) -> Spent:
        """Send everything. Raises RuntimeError where the server refuses anything."""
        spent = json.loads(self._next("send"))
        return Spent(spent["wall_seconds"], spent["cpu_seconds"])

    def verify(self) -> list[Stored]:
        """Ask the server about each upload, in the file's order. Raises RuntimeError for a wrong offset."""
        return [Stored(each["name"], each["length"], each["id"]) for each in json.loads(self._next("verify"))]

    def _next(self, word: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return self.wait()

    def wait(self) -> str:
        """The next line that it says. Raises RuntimeError where it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The client has failed, see above")
        return line


@contextmanager
def client(endpoint: str, token: str, path: Path, way: Way) -> Iterator[Client]:
    """A client that is ready to send the file at `path`."""
    task: dict[str, Any] = {
        "endpoint": endpoint,
        "headers": {"Authorization": f"Bearer {token}"} if token else {},
        "path": str(path),
        "piece_bytes": way.piece_bytes,
        "chunk_bytes": way.chunk_bytes,
        "parallel": way.parallel,
        "in_creation": way.in_creation,
    }
    command = ["node", str(FOLDER / "tus_client.mjs"), json.dumps(task)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            waiting = Client(process)
            waiting.wait()
            yield waiting
        finally:
            process.kill()


def is_installed() -> bool:
    """Whether node is here, and the packages of our lock file."""
    return shutil.which("node") is not None and (FOLDER / "node_modules/tus-js-client").is_dir()
