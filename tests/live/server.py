"""The real service: gunicorn on a free port with its own data folder, to be stopped, killed and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import requests
from pydantic import SecretStr

from config import Settings
from tests.conftest import PASSWORD, SECRET
from tests.growing.installations import STORE, engines, forget, is_without_disk, settings_of
from tests.live.prepared_process import NEEDS_OWN_PROGRAM, ForkedServer
from tests.ports import free_port
from tests.prepared import migrate
from transfer_service.bootstrap import Services, build_services
from transfer_service.services.core import utc_now
from transfer_service.wire.store_addresses import parse_store_address

REPOSITORY = Path(__file__).parents[2]
START_SECONDS = 90.0
LOG_CHARACTERS = 5000
IS_MEASURED = "COVERAGE_PROCESS_CONFIG" in os.environ  # coverage begins with a program


def adapted_config(path: Path, *lines: str, before_app: str = "") -> Path:
    """gunicorn's configuration with further lines behind it, or `before_app` is made, written to `path`."""
    shipped = REPOSITORY / "gunicorn.conf.py"
    run = "exec(compile(open(__file__).read(), __file__, 'exec'))"
    first = "from gevent import monkey; monkey.patch_all()"
    path.write_text("\n".join([first, before_app, f"__file__ = {str(shipped)!r}", run, *lines, ""]))
    return path


@dataclass
class LiveServer:
    """One instance. `environment` holds its settings; a `config` of its own may make it speak TLS by `certificate`."""

    data_dir: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | ForkedServer | None = None
    config: Path | None = None
    certificate: Path | None = None
    host: str = "127.0.0.1"
    prefix: tuple[str, ...] = ()
    """What the command begins with, where it is to run on another host."""

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://{self.host}:{self.port}"

    @property
    def _verify(self) -> str | bool:
        return str(self.certificate) if self.certificate else True

    @property
    def log_path(self) -> Path:
        return self.data_dir.parent / f"{self.data_dir.name}.log"

    def shared_settings(self) -> dict[str, str]:
        """What the instances on this data folder share besides, where tests run on engines (`--growing`)."""
        return settings_of(self.data_dir)

    def _settings(self) -> dict[str, str]:
        return {**self.shared_settings(), **self.environment}

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TRANSFER_")}
        own = {"TRANSFER_DATA_DIR": str(self.own_folder), "TRANSFER_BIND": f"{self.host}:{self.port}"}
        return {**clean, **own, **self._settings()}

    @property
    def store_endpoint(self) -> str | None:
        """Where the object store is, None where there is none."""
        url = self._settings().get(STORE, "")
        return parse_store_address(url).endpoint if url.startswith("s3:") else None

    @property
    def own_folder(self) -> Path:
        """Its data folder: `data_dir`, or where instances share none, a folder there."""
        return self.data_dir / f"instance-{self.port}" if is_without_disk(self._settings()) else self.data_dir

    def command(self, *arguments: str, stdin: str = "") -> str:
        """Run `flask --app wsgi …` with this instance's settings and give what it prints."""
        result = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
            cwd=REPOSITORY, env=self._environment(), input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        return result.stdout

    @contextmanager
    def services(self, *, now: Callable[[], datetime] = utc_now, **settings_of_ours: Any) -> Iterator[Services]:
        """The rules on this instance's data, in this process: commands would each take seconds to start."""
        given = self._settings()
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg] # nothing of a developer's
            data_dir=self.data_dir,
            secret_key=SecretStr(SECRET),
            database_url=given.get("TRANSFER_DATABASE_URL"),
            storage_url=given.get("TRANSFER_STORAGE_URL"),
            **settings_of_ours,
        )
        services = build_services(settings, now=now)
        try:
            yield services
        finally:
            services.database.dispose()

    def prepare(self, *accounts: str) -> None:
        """Migrate the database and make accounts, the administrator `root` among them if it is named."""
        with self.services() as services:
            migrate(services.database.url)
            for name in accounts:
                services.accounts.create(name, PASSWORD, is_admin=name == "root")

    def start(self) -> None:
        """Start and wait until it is ready."""
        config = ["-c", str(self.config)] if self.config else []
        if IS_MEASURED or self.prefix or any(name.startswith(NEEDS_OWN_PROGRAM) for name in self.environment):
            command = [*self.prefix, sys.executable, "-m", "gunicorn", *config]
            with self.log_path.open("ab") as log:
                self.process = subprocess.Popen(
                    command, cwd=REPOSITORY, env=self._environment(), stdout=log, stderr=log
                )
        else:
            self.process = ForkedServer(config, environment=self._environment(), log=self.log_path)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                if requests.get(f"{self.url}/readyz", timeout=5, verify=self._verify).status_code == 200:
                    return
            except (requests.ConnectionError, requests.Timeout):  # a busy machine
                pass
            assert self.process.poll() is None, self.log_path.read_text()[-LOG_CHARACTERS:]
            time.sleep(0.05)
        raise AssertionError(f"not ready: {self.log_path.read_text()[-LOG_CHARACTERS:]}")

    def worker(self) -> psutil.Process:
        """The process that serves."""
        assert self.process is not None
        (worker,) = psutil.Process(self.process.pid).children()
        return worker

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """`kill -9`, arbiter and worker at once."""
        assert self.process is not None
        arbiter = psutil.Process(self.process.pid)
        arbiter.suspend()  # or it might start a worker meanwhile, who would be left
        for process in [*arbiter.children(recursive=True), arbiter]:
            process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Stop gracefully."""
        if self.process is not None and self.is_running():
            self.process.terminate()
            self.process.wait(timeout=90)

    def sign_in(self, name: str) -> requests.Session:
        """An HTTP session that carries a token of the account."""
        session = requests.Session()
        session.verify, session.trust_env = self._verify, False  # or a bundle of the environment would win
        body = {"username": name, "password": PASSWORD}
        answer = session.post(f"{self.url}/auth/token", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return session

    def store(self, session: requests.Session, name: str, data: bytes) -> str:
        """Send a whole file and give the path of its download."""
        answer = session.post(f"{self.url}/api/files", params={"filename": name}, data=data, timeout=60)
        assert answer.status_code == 201, answer.text
        return str(answer.headers["Location"])

    def holds_file(self) -> bool:
        """Whether it has a stored file open."""
        return any("/blobs/" in file.path for file in self.worker().open_files())

    def holds_nothing(self) -> bool:
        """Whether it has neither a stored file open nor a connection."""
        connections = [each for each in self.worker().net_connections("tcp") if each.status != "LISTEN"]
        return not connections and not self.holds_file()


def wait_until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Return when the condition holds; fail when it does not for so long: a busy machine is no fault."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@contextmanager
def running(data_dir: Path, *accounts: str, **environment: str) -> Iterator[LiveServer]:
    """A prepared and started instance, or what stands in its place where tests run on engines (`--growing`)."""
    with _running(make_server(data_dir, environment), *accounts) as server:
        yield server


@contextmanager
def running_one(data_dir: Path, *accounts: str, **environment: str) -> Iterator[LiveServer]:
    """A prepared and started instance that is asked directly, also where tests run on engines."""
    with _running(LiveServer(data_dir, environment), *accounts) as server:
        yield server


@contextmanager
def _running(server: LiveServer, *accounts: str) -> Iterator[LiveServer]:
    server.prepare(*accounts)
    try:
        with started(server):
            yield server
    finally:
        forget(server.data_dir)


def make_server(data_dir: Path, environment: dict[str, str], **how: Any) -> LiveServer:
    """One instance that is not started, or several behind nginx where tests run on engines."""
    if engines() is None:
        return LiveServer(data_dir, environment, **how)
    from tests.growing.topology import GrowingServer

    return GrowingServer(data_dir, environment, **how)


@contextmanager
def killed(server: LiveServer) -> Iterator[None]:
    """A running instance that is killed, and started again afterwards, whatever happens."""
    server.kill()
    try:
        yield
    finally:
        server.start()


@contextmanager
def started(server: LiveServer) -> Iterator[LiveServer]:
    """An instance on a folder that is prepared already."""
    server.start()
    try:
        yield server
    finally:
        server.stop()
