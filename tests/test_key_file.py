"""The file with the generated keys: what rotations make of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from transfer_service.key_file import (
    Keys,
    forget_previous_keys,
    prepare_key,
    read_keys,
    read_or_make_keys,
    rotate_key,
)

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "secret_key"


def test_a_new_key_signs_and_the_one_before_verifies(path: Path) -> None:
    first = read_or_make_keys(path).signing
    assert rotate_key(path) is False
    second = read_keys(path)
    assert (second.signing != first, second.verifying) == (True, [first])
    rotate_key(path)
    assert read_keys(path).previous == (second.signing, first)


def test_a_prepared_key_verifies_first_and_then_signs(path: Path) -> None:
    first = read_or_make_keys(path).signing
    prepare_key(path)
    prepared = read_keys(path)
    assert (prepared.signing, prepared.verifying) == (first, [prepared.prepared])
    assert rotate_key(path) is True
    assert read_keys(path) == Keys(str(prepared.prepared), None, (first,))


def test_a_second_key_is_not_prepared(path: Path) -> None:
    read_or_make_keys(path)
    prepare_key(path)
    content = path.read_bytes()
    with pytest.raises(ValueError, match="prepared already"):
        prepare_key(path)
    assert path.read_bytes() == content


def test_previous_keys_are_dropped_and_a_prepared_one_stays(path: Path) -> None:
    read_or_make_keys(path)
    rotate_key(path)
    rotate_key(path)
    prepare_key(path)
    keys = read_keys(path)
    assert forget_previous_keys(path) == 2
    assert read_keys(path) == Keys(keys.signing, keys.prepared)
    assert forget_previous_keys(path) == 0


def test_the_file_stays_its_owners_alone(path: Path) -> None:
    read_or_make_keys(path)
    if os.geteuid() == 0:
        os.chown(path, 12345, 12346)
    owner = (path.stat().st_uid, path.stat().st_gid)
    prepare_key(path)
    rotate_key(path)
    assert (path.stat().st_mode & 0o777, (path.stat().st_uid, path.stat().st_gid)) == (0o600, owner)
    assert [each.name for each in path.parent.iterdir()] == ["secret_key"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("short", id="short"),
        pytest.param("", id="empty"),
        pytest.param(f"{'k' * 32}\nprevious short", id="short-previous"),
        pytest.param(f"{'k' * 32}\nnext {'n' * 32}\nnext {'m' * 32}", id="two-prepared"),
        pytest.param(f"{'k' * 32}\nolder {'n' * 32}", id="unknown-use"),
        pytest.param(f"{'k' * 32}\n{'n' * 32}", id="no-use"),
    ],
)
def test_a_damaged_file_is_neither_read_nor_changed(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content)
    for change in (read_or_make_keys, prepare_key, rotate_key, forget_previous_keys):
        with pytest.raises(ValueError, match=r"^is damaged$"):
            change(path)
    assert path.read_text() == content


def test_rotations_at_the_same_time_lose_no_key(path: Path) -> None:
    first = read_or_make_keys(path).signing
    program = f"from pathlib import Path; from transfer_service.key_file import *; rotate_key(Path({str(path)!r}))"
    processes = [subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 4
    keys = read_keys(path)
    assert (len({keys.signing, *keys.previous}), keys.previous[-1]) == (5, first)
