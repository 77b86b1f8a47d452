"""A Redis server of a test's own, which may go away and come back."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from tests.missing import missing
from tests.ports import free_port


@dataclass
class RedisServer:
    """One that keeps nothing on disk."""

    folder: Path
    port: int = field(default_factory=free_port)
    host: str = "127.0.0.1"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    def start(self) -> None:
        """Start and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            missing("redis-server is not installed")
        command = [program, "--port", str(self.port), "--save", "", "--dir", str(self.folder)]
        command += ["--bind", self.host, "--protected-mode", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = redis.Redis(self.host, self.port, socket_connect_timeout=10)
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                assert self.process.poll() is None
        client.close()

    def stop(self) -> None:
        """Go away."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """One that runs."""
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
