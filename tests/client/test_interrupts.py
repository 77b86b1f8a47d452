"""Ctrl-C, at any time: an end without a traceback, which a shell takes for what it is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.server import wait_until

CLIENT = Path(__file__).parents[2] / "client"
STANDS_STILL = "import pathlib, time; pathlib.Path('there').touch(); time.sleep(600)\n"


def started(folder: Path, *words: str, path: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": path, "XDG_CONFIG_HOME": str(folder / "config")}
    # What starts the tests may ignore Ctrl-C (as shells do for what is in the background), and hands that down.
    command = ["env", "--default-signal=INT", sys.executable, "-P", "-m", "transfer_service_client", *words]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.parametrize("module", ["typer", "httpx"], ids=["of-the-command", "of-the-network"])
def test_while_it_loads(tmp_path: Path, module: str) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / f"first/{module}.py").write_text(STANDS_STILL)
    with started(tmp_path, "login", "localhost", "--name", "a", path=f"{tmp_path}/first:{CLIENT}") as process:
        wait_until((tmp_path / "there").exists)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (-signal.SIGINT, b"")
    assert err in {b"", b"transfer: Stopped.\n"}
