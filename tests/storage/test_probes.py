"""Whether a folder can be written, and what the question leaves behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.storage.other_process import REPOSITORY
from transfer_service.storage.plain_files import PROBE_NAME, write_probe

_PROBE_FOR_EVER = """
import sys
from pathlib import Path
from transfer_service.storage.plain_files import write_probe

print("begun", flush=True)
while True:
    write_probe(Path(sys.argv[1]))
"""


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_folder_that_can_be_written_stays_as_it_is(tmp_path: Path) -> None:
    write_probe(tmp_path)
    assert names(tmp_path) == []


def test_a_folder_that_is_gone_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_probe(tmp_path / "gone")


def test_a_process_that_is_killed_in_it_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PROBE_FOR_EVER, str(tmp_path)]
    for _ in range(5):
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
    assert names(tmp_path) == []


def test_where_files_need_names_all_share_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)  # what it is to a file system that does not know it
    for _ in range(3):
        write_probe(tmp_path)
    assert names(tmp_path) == [PROBE_NAME]


def test_a_link_in_the_place_of_the_probe_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)
    (tmp_path / "victim").write_bytes(b"untouched")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / PROBE_NAME).symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        write_probe(tmp_path / "store")
    assert (tmp_path / "victim").read_bytes() == b"untouched"
