"""Files that one process at a time may hold, on disks that know locks and on others; and places that are not there."""

import errno
import fcntl
import os
from pathlib import Path
from typing import IO

import pytest
from transfer_service_client.connection.credentials import CredentialFile, Key, SignIn, config_folder
from transfer_service_client.downloads.parts import PartFile
from transfer_service_client.errors import TransferError
from transfer_service_client.folders.digests import DigestCache
from transfer_service_client.locking import lock
from transfer_service_client.uploads.upload_state import UploadState

from tests.client.small_service import SmallService


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user is a number."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)


def test_a_lock_that_its_holder_removed_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[Path] = []

    def late(file: IO[str]) -> bool:
        if not removed:  # whoever had it has ended between the opening and this
            removed.extend(tmp_path.glob("*.lock"))
            removed[0].unlink()
        return lock(file)

    monkeypatch.setattr("transfer_service_client.uploads.upload_state.lock", late)
    with UploadState("film", folder=tmp_path) as state, UploadState("film", folder=tmp_path) as second:
        assert removed
        assert (state.is_held, second.is_held) == (True, False)


def test_a_part_that_became_a_file_is_not_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, done = SmallService(b"data").file(), tmp_path / "film.mp4"

    def late(handle: int) -> bool:
        if not done.exists():  # another process has ended between the opening and this
            next(tmp_path.glob("*.part")).replace(done)
        return lock(handle)

    monkeypatch.setattr("transfer_service_client.downloads.parts.lock", late)
    part = PartFile(done, file)
    part.write(0, b"data")
    part.close()
    assert done.read_bytes() == b""


@pytest.mark.usefixtures("no_locks")
def test_a_disk_without_locks_keeps_an_upload_for_the_next_run(tmp_path: Path) -> None:
    with UploadState("film", folder=tmp_path) as state:
        state.write("u1")
    with UploadState("film", folder=tmp_path) as state:
        assert state.read() == "u1"


@pytest.mark.usefixtures("no_locks")
def test_a_disk_without_locks_takes_downloads_and_sign_ins(tmp_path: Path) -> None:
    PartFile(tmp_path / "film.mp4", SmallService(b"data").file()).close()
    kept = CredentialFile(tmp_path / "credentials.json")
    with kept.locked():
        kept.write(SignIn("https://files.example.com", Key("tsk_x")))
    assert kept.read().credentials == Key("tsk_x")


@pytest.mark.usefixtures("no_home")
def test_without_a_home_a_sign_in_needs_a_place_and_nothing_else_does(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="XDG_CONFIG_HOME"):
        config_folder()
    with UploadState("film") as state:
        state.write("u1")
        assert state.read() is None
    (tmp_path / "file").touch()
    with DigestCache() as cache:
        assert cache.sha256_of(tmp_path / "file").startswith("e3b0c442")
