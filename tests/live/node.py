"""Programs in JavaScript that speak JSON lines: clients, of `javascript/package-lock.json`, and others."""

import contextlib
import fcntl
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import requests

from tests.live.server import LiveServer
from tests.missing import missing

FOLDER = Path(__file__).parent / "javascript"
PATIENCE_SECONDS = 60.0


def install(folder: Path = FOLDER) -> None:
    """Run `npm ci` unless exactly what the lock file says is installed already. Skips the test without node or npm."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed")
    lock, installed = folder / "package-lock.json", folder / "node_modules/.installed"
    with (folder / "package.json").open() as guard:  # several workers may want it at once
        fcntl.flock(guard, fcntl.LOCK_EX)
        if installed.exists() and installed.read_bytes() == lock.read_bytes():
            return
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if result.returncode != 0:
            missing(f"npm ci failed: {result.stderr[-500:]}")
        shutil.copyfile(lock, installed)


def run(program: str, *arguments: str) -> list[Any]:
    """Run one of the programs to its end and give the values it printed."""
    install()
    command = ["node", str(FOLDER / program), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


class Program:
    """A running program of ours and what it has told so far, in order: an event and its data on each line."""

    patience_seconds = PATIENCE_SECONDS
    fatal: str | None = None
    """The event after which nothing that is waited for comes any more."""

    def __init__(self, name: str, config: Any, *, folder: Path = FOLDER) -> None:
        install(folder)
        self._process = subprocess.Popen(
            ["node", str(folder / name), json.dumps(config)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        self._news = threading.Condition()
        self._heard: list[tuple[str, Any]] = []
        self._reader = threading.Thread(target=self._read, name=name)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event, data = json.loads(line)
            with self._news:
                self._heard.append((event, data))
                self._news.notify_all()

    def heard(self, event: str) -> list[Any]:
        """What came with every event of that name until now."""
        with self._news:
            return [data for name, data in self._heard if name == event]

    def wait(
        self,
        event: str,
        count: int = 1,
        *,
        where: Callable[[Any], bool] = lambda _: True,
        seconds: float | None = None,
    ) -> Any:
        """What came with the `count`th event of that name, once it has come."""
        deadline = time.monotonic() + (self.patience_seconds if seconds is None else seconds)
        with self._news:
            while True:
                found = [data for name, data in self._heard if name == event and where(data)]
                if len(found) >= count:
                    return found[count - 1]
                assert all(name != self.fatal for name, _ in self._heard), self._heard[-20:]
                left = deadline - time.monotonic()
                assert left > 0 and self._news.wait(left), f"no {event} no. {count} in {self._heard[-20:]}"

    def say(self, line: str) -> None:
        """Give it a line to read."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Tell it that there is nothing more to do, and end it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=PATIENCE_SECONDS)
        finally:
            self.kill()
            self._reader.join()
            self._process.stdout.close()


class SocketClient(Program):
    """A running `socket_client.mjs`: what it sends, and what it has heard so far."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__("socket_client.mjs", {"url": url, "options": options})
        self._sent = 0

    def start_sending(self, *events: tuple[str, Any]) -> range:
        """Emit all of them at once and give the numbers of their acknowledgements."""
        first, self._sent = self._sent, self._sent + len(events)
        self.say(json.dumps(events))
        return range(first, self._sent)

    def send(self, *events: tuple[str, Any]) -> list[Any]:
        """Emit all of them at once and give their acknowledgements, in the order of the events."""
        acks = (self.wait("ack", where=partial(_is_ack_of, number)) for number in self.start_sending(*events))
        return [answer for _, answer in acks]

    def emit(self, event: str, data: Any) -> Any:
        """Emit one event and give its acknowledgement."""
        return self.send((event, data))[0]

    def catch_up(self) -> None:
        """Return when everything has come that this client's instance had sent it before now."""
        self.emit("typing", {})


@contextlib.contextmanager
def connected(server: LiveServer, session: requests.Session, **options: Any) -> Iterator[SocketClient]:
    """A client with the session's token that is connected to `server`, or to `url` in front of it."""
    options = {"auth": {"access_token": token_of(session)}, **options}
    with connecting(options.pop("url", server.url), **options) as client:
        client.wait("connect")
        yield client


@contextlib.contextmanager
def connecting(url: str, **options: Any) -> Iterator[SocketClient]:
    """A client that tries to connect."""
    client = SocketClient(url, **options)
    try:
        yield client
    finally:
        client.close()


def _is_ack_of(number: int, ack: Any) -> bool:
    return bool(ack[0] == number)


def token_of(session: requests.Session) -> str:
    """The access token of a session."""
    return str(session.headers["Authorization"]).removeprefix("Bearer ")
