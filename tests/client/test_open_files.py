"""Many transfers at once where a process may have few files open, as on macOS."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.account_service import KEY, AccountService, serving_account

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")

_PROGRAM = """
import resource, sys
from transfer_service_client.client import TransferClient
most = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
with TransferClient(sys.argv[2], key=sys.argv[3], patience_seconds=60) as client:
    sent = client.upload_all(["here"], "there")
    fetched = client.get(["there/here"], "back")
for outcome in (sent, fetched):
    print(outcome.done, outcome.failed, *(str(error) for _, error in outcome.errors[:1]))
"""
_COMMAND = """
import resource, sys
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
sys.argv = ["transfer", "--version"]
try:
    from transfer_service_client.cli.main import main
    main()
finally:
    print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256 or hard <= 256)
"""
_COUNT = 300


def _run(program: str, *arguments: str, folder: Path) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "XDG_STATE_HOME": str(folder / "state")}
    command = [sys.executable, "-c", program, *arguments]
    ran = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@pytest.mark.parametrize("most", [64, 256])
def test_no_file_fails_for_want_of_files(tmp_path: Path, most: int) -> None:
    (tmp_path / "here").mkdir()
    for number in range(_COUNT):
        (tmp_path / "here" / str(number)).write_bytes(b"data" * (number * 20))
    with serving_account(AccountService()) as service:
        told = _run(_PROGRAM, str(most), service.url, KEY, folder=tmp_path)
    assert told == [f"{_COUNT} 0", f"{_COUNT} 0"]


def test_the_command_asks_for_more_files(tmp_path: Path) -> None:
    assert _run(_COMMAND, folder=tmp_path)[-1] == "True"
