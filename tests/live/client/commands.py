"""Runs the command as people do: a process of its own, signed in to a real server."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.client.result import Result
from tests.conftest import PASSWORD
from tests.live.fault_proxy import Fault, Side, Trickle

CLIENT = Path(__file__).parents[3] / "client"
SECONDS = 120
MIB = 1024 * 1024
CONNECTIONS = 9
"""More than a client opens: each takes a fault, also one that only asks."""


def slow_line(toward: Side) -> list[Fault]:
    """A plan for a FaultProxy: 5 MiB a second, and silence after 20 MiB: what is larger is stopped in its middle.

    It has to be cleared before the next run, which then has less to send than is silent after.
    """
    return [Fault(trickle=Trickle(512 * 1024, 0.1), silent_at=20 * MIB, toward=toward)] * CONNECTIONS


@dataclass
class Home:
    """Where somebody works: a folder for what the command keeps, and one that it runs in."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.here.mkdir(parents=True)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TRANSFER_")}
        own = {"XDG_CONFIG_HOME": str(self.root / "config"), "XDG_STATE_HOME": str(self.root / "state")}
        self.environment = {**clean, **own, "PYTHONPATH": str(CLIENT), **self.environment}

    @property
    def here(self) -> Path:
        return self.root / "here"

    @property
    def credentials(self) -> Path:
        """The file of the sign-in."""
        return self.root / "config/transfer-service/credentials.json"

    def start(self, *arguments: str, **how: Any) -> subprocess.Popen[bytes]:
        """Start the command, with pipes for what it prints unless `how` says otherwise."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # What starts the tests may ignore Ctrl-C (as shells do for what is in the background), and hands that down.
        command = ["env", "--default-signal=INT", sys.executable, "-m", "transfer_service_client", *arguments]
        return subprocess.Popen(command, cwd=self.here, env=self.environment, **{**pipes, **how})

    def __call__(self, *arguments: str, stdin: str = "") -> Result:
        """Run the command to its end."""
        with self.start(*arguments, stdin=subprocess.PIPE) as process:
            out, err = process.communicate(stdin.encode(), timeout=SECONDS)
        result = Result(process.returncode, out.decode(), err.decode())
        assert "Traceback" not in result.err, result.err
        return result

    def login(self, url: str, name: str = "alice") -> None:
        """Sign in by a password."""
        result = self("login", url, "--name", name, "--password-stdin", stdin=f"{PASSWORD}\n")
        assert result.code == 0, result.err
