"""A source to fetch from, and one fetch of it into memory."""

import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.live.bad_source import BadSource
from tests.remote.memory_sink import MemorySink
from transfer_service.errors import SourceFailed
from transfer_service.remote.fetcher import Fetcher, Limits
from transfer_service.remote.url_guard import Resolve

DATA = bytes(range(256)) * 4096  # a MiB: more than one read
QUICK = Limits(connect_seconds=1, idle_seconds=0.3, breaks=2)
PATH = "/game.zip"


@dataclass
class Job:
    """One download as a worker would run it, except that it only notes how long it would have slept."""

    limits: Limits = QUICK
    allow_private: bool = True
    resolve: Resolve = socket.getaddrinfo
    sink: MemorySink = field(default_factory=MemorySink)
    validators: list[str | None] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)

    def run(self, url: str, *, size: int = len(DATA), validator: str | None = None, seconds: float = 10) -> None:
        """Fetch. Raises what the fetcher does."""
        fetcher = Fetcher(
            allow_private=self.allow_private, limits=self.limits, sleep=self.sleeps.append, resolve=self.resolve
        )
        fetcher.fetch(
            url,
            self.sink,
            size=size,
            validator=validator,
            deadline=time.monotonic() + seconds,
            remember_validator=self.validators.append,
        )

    def fail(self, url: str, *, size: int = len(DATA), validator: str | None = None, seconds: float = 10) -> str:
        """Fetch in vain and give the reason."""
        with pytest.raises(SourceFailed) as failure:
            self.run(url, size=size, validator=validator, seconds=seconds)
        return failure.value.detail


@pytest.fixture
def job() -> Job:
    return Job()


@pytest.fixture
def source() -> Iterator[BadSource]:
    with BadSource() as source:
        yield source


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for `localhost`, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "source.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    extension = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    subprocess.run([*command.split(), *extension], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path
