"""Power losses and kills: what was acknowledged is kept as far as it was promised, and nothing is ever wrong.

The power is cut on an ext4 whose every write is logged: as root, with FUSE and loop devices (`tests/torture`).
"""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.server import REPOSITORY
from tests.missing import missing
from tests.proofs import length
from tests.torture import commits, kill
from tests.torture.disk import logged_disk, make_disk, mounted

IMAGES, CYCLES, SEED = length(12, whole=51), 3, 20261129

pytestmark = [pytest.mark.alone, pytest.mark.heavy, pytest.mark.one_machine("the power of one disk is cut")]


@pytest.fixture
def needs_disks() -> None:
    """What it takes to mount a disk of one's own."""
    if os.geteuid() or not Path("/dev/fuse").exists() or not all(map(shutil.which, ["mkfs.ext4", "unshare", "mount"])):
        missing("root, FUSE, loop devices and mkfs.ext4 are needed to cut the power")


@pytest.mark.usefixtures("needs_disks")
def test_a_power_loss_takes_nothing_that_was_promised() -> None:
    own_mounts = ["unshare", "--mount", "--propagation", "private"]  # nobody else may keep a disk busy
    command = [
        *own_mounts,
        sys.executable,
        "-m",
        "tests.torture",
        "power",
        "--images",
        str(IMAGES),
        "--seed",
        str(SEED),
    ]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"0 faults, {IMAGES} images" in result.stdout


def test_kills_take_nothing() -> None:
    assert kill.torture(CYCLES, SEED, print, levels=["complete"]) == []


@pytest.mark.usefixtures("needs_disks")
def test_commits_of_many_at_once_are_on_the_disk_when_they_are_told(tmp_path: Path) -> None:
    faults, told = commits.torture(tmp_path, images=15, seconds=2.5, seed=SEED)
    assert faults == []
    assert {each.outcome for each in told} == {"stored", "refused", "failed"}


@pytest.mark.usefixtures("needs_disks")
def test_commits_without_a_flush_are_found_out(tmp_path: Path) -> None:
    faults, _ = commits.torture(tmp_path, images=9, seconds=1.5, seed=SEED, loose=True)
    assert any("was told to be stored" in fault for fault in faults)


@pytest.mark.usefixtures("needs_disks")
def test_the_logged_disk_loses_what_was_not_flushed_and_nothing_else(tmp_path: Path) -> None:
    make_disk(tmp_path / "base")
    with logged_disk(tmp_path / "base", tmp_path / "log", tmp_path / "disk", "commit=300") as disk:
        first = disk.position
        (tmp_path / "disk" / "loose").write_bytes(b"not flushed")
        flushed = (tmp_path / "disk" / "flushed").open("wb")
        flushed.write(b"flushed")
        flushed.flush()
        os.fsync(flushed.fileno())
        flushed.close()
        last = disk.position
    (begun, done) = (disk.cuts(1, first=each, last=each, chance=random.Random(SEED)) for each in (first, last))
    found = []
    for _ in disk.images([*begun, *done], tmp_path / "image"):
        with mounted(tmp_path / "image", tmp_path / "cut") as cut:
            found.append({path.name: path.read_bytes() for path in cut.iterdir() if path.is_file()})
    assert found[0] == {}
    assert found[1]["flushed"] == b"flushed"
    assert found[1].get("loose", b"") == b""
