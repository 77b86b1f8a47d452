"""The published examples are those that their script works out."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vectors import VECTORS

REPOSITORY = Path(__file__).parents[1]


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "scripts/vectors.py"), "--check"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_published_examples_are_those_of_their_definitions() -> None:
    done = check(REPOSITORY)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("scripts/vectors.py", "docs/vectors.json"):
        (tmp_path / name).parent.mkdir()
        shutil.copyfile(REPOSITORY / name, tmp_path / name)
    return tmp_path


def test_a_changed_example_is_noticed(copy: Path) -> None:
    page = copy / "docs/vectors.json"
    page.write_text(page.read_text().replace("68656c6c6f", "68656c6c70", 1))
    done = check(copy)
    assert (done.returncode, done.stderr) == (1, "vectors.json is not what vectors.py makes: run it\n")


def test_there_are_good_and_bad_frames_of_both_formats_and_all_else_that_is_promised() -> None:
    for kind, frames in VECTORS["frames"].items():
        assert {len(bytes.fromhex(each["frame"])) - len(bytes.fromhex(each["data"])) for each in frames["good"]} == {
            int(kind)
        }
        assert len(frames["bad"]) >= 9
    assert VECTORS["frames"].keys() == {"17", "12"}
    assert len(VECTORS["digests"]) >= 5
    assert len(VECTORS["webhooks"]) >= 3
