"""What an upload into an object store takes of a process."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.server import REPOSITORY
from tests.prepared import migrate

MIB = 1024 * 1024


@pytest.mark.alone
def test_an_upload_takes_24_mib_and_stops_nobody_however_slow_the_store_is(
    tmp_path: Path, object_store_url: str
) -> None:
    database = f"sqlite:///{tmp_path / 'test.sqlite3'}"
    migrate(database)
    program = "from gevent import monkey; monkey.patch_all(); from tests.storage.s3.memory_run import main; main()"
    command = [sys.executable, "-c", program, object_store_url, database]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    peak, stop = map(float, result.stdout.split())
    print(f"{peak / MIB:.1f} MiB for each of four uploads, others waited {stop:.3f} s")  # noqa: T201
    assert peak <= 24 * MIB
    assert stop < 1.0
