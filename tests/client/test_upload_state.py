"""What is kept of an upload for the next run."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from transfer_service_client.uploads.upload_state import UploadState


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_it_is_read_by_the_next_run_and_by_no_other_upload(folder: Path) -> None:
    with UploadState("film", 5, folder=folder) as state:
        assert state.read() is None
        state.write("u1")
        state.write("u2")
    with UploadState("film", 5, folder=folder) as state:
        assert state.read() == "u2"
    with UploadState("film", 6, folder=folder) as state:
        assert state.read() is None


def test_nothing_is_left_once_it_is_forgotten(folder: Path) -> None:
    with UploadState("film", folder=folder) as state:
        state.write("u1")
        state.forget()
        assert state.read() is None
    assert list(folder.iterdir()) == []


def test_it_is_for_its_owner_alone(folder: Path) -> None:
    with UploadState("film", folder=folder) as state:
        state.write("u1")
    (path,) = folder.glob("*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"upload_id": 5}', "\udcff"])
def test_one_that_says_something_else_is_none(folder: Path, text: str) -> None:
    with UploadState("film", folder=folder) as state:
        state.write("u1")
        (path,) = folder.glob("*.json")
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        assert state.read() is None


def test_a_second_process_begins_an_upload_of_its_own(folder: Path, held: ExitStack) -> None:
    first = held.enter_context(UploadState("film", folder=folder))
    first.write("u1")
    second = held.enter_context(UploadState("film", folder=folder))
    assert second.read() is None
    second.write("u2")
    second.forget()
    assert first.read() == "u1"


def test_names_that_are_not_utf_8_are_told_apart(folder: Path) -> None:
    with UploadState("\udcff", folder=folder) as state:
        state.write("u1")
    with UploadState("\udcfe", folder=folder) as state:
        assert state.read() is None


def test_without_a_place_for_it_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with UploadState("film", folder=tmp_path / "file") as state:
        state.write("u1")
        assert state.read() is None
        state.forget()


def test_what_no_service_has_any_more_goes(folder: Path) -> None:
    with UploadState("old", folder=folder) as state:
        state.write("u1")
    for path in folder.iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    with UploadState("young", folder=folder) as state:
        state.write("u2")
    with UploadState("other", folder=folder):
        pass
    with UploadState("young", folder=folder) as state:
        assert state.read() == "u2"
    assert len(list(folder.glob("*.json"))) == 1


def test_a_disk_without_room_keeps_nothing_and_stops_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with UploadState("film", folder=folder) as state:
        monkeypatch.setattr("transfer_service_client.uploads.upload_state.tempfile.mkstemp", full)
        state.write("u1")
        assert state.read() is None
        state.forget()


def test_a_folder_in_its_place_stops_nothing(folder: Path) -> None:
    with UploadState("film", folder=folder) as state:
        state.write("u1")
        (path,) = folder.glob("*.json")
        path.unlink()
        path.mkdir()
        assert state.read() is None
        state.write("u2")
        state.forget()
    with UploadState("film", folder=folder) as state:
        assert state.read() is None


@pytest.mark.parametrize("upload_id", ["../../accounts/me", "u 1", "", "u1\n", "\u0661"])
def test_an_id_that_is_none_is_asked_for_nowhere(folder: Path, upload_id: str) -> None:
    with UploadState("film", folder=folder) as state:
        state.write(upload_id)
        assert state.read() is None
