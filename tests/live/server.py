"""The real service: gunicorn on a free port with its own data folder, to be stopped, killed and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import requests

from tests.ports import free_port

REPOSITORY = Path(__file__).parents[2]
PASSWORD = "correct horse"
START_SECONDS = 30.0


@dataclass
class LiveServer:
    """One instance. `environment` holds its settings."""

    data_dir: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        return self.data_dir.parent / f"{self.data_dir.name}.log"

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TRANSFER_")}
        own = {"TRANSFER_DATA_DIR": str(self.data_dir), "TRANSFER_BIND": f"127.0.0.1:{self.port}"}
        return {**clean, **own, **self.environment}

    def command(self, *arguments: str, stdin: str = "") -> str:
        """Run `flask --app wsgi …` with this instance's settings and give what it prints."""
        result = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
            cwd=REPOSITORY, env=self._environment(), input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        return result.stdout

    def prepare(self, *accounts: str) -> None:
        """Migrate the database and make accounts, the administrator `root` among them if it is named."""
        self.command("database", "upgrade")
        for name in accounts:
            extra = ["--admin"] if name == "root" else []
            self.command("accounts", "create", name, "--password-stdin", *extra, stdin=PASSWORD + "\n")

    def start(self) -> None:
        """Start and wait until it is ready."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn"], cwd=REPOSITORY, env=self._environment(), stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                if requests.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except requests.ConnectionError:
                pass
            assert self.process.poll() is None, self.log_path.read_text()
            time.sleep(0.05)
        raise AssertionError(f"not ready: {self.log_path.read_text()}")

    def worker(self) -> psutil.Process:
        """The process that serves."""
        assert self.process is not None
        (worker,) = psutil.Process(self.process.pid).children()
        return worker

    def kill(self) -> None:
        """`kill -9`, arbiter and worker at once."""
        assert self.process is not None
        for process in [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]:
            process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Stop gracefully."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=90)

    def sign_in(self, name: str) -> requests.Session:
        """An HTTP session that carries a token of the account."""
        session = requests.Session()
        answer = session.post(f"{self.url}/auth/token", json={"username": name, "password": PASSWORD}, timeout=30)
        assert answer.status_code == 200, answer.text
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return session


@contextmanager
def running(data_dir: Path, *accounts: str, **environment: str) -> Iterator[LiveServer]:
    """A prepared and started instance."""
    server = LiveServer(data_dir, environment)
    server.prepare(*accounts)
    server.start()
    try:
        yield server
    finally:
        server.stop()
