"""Local files that are swapped, or changed behind their times, while they are read."""

import os
import sys
from pathlib import Path

import pytest
from transfer_service_client.downloads.downloads import is_same
from transfer_service_client.errors import FileChanged
from transfer_service_client.reading import sha256_of
from transfer_service_client.uploads.local_source import LocalSource

from tests.client.small_service import SmallService

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders, and no such times")

SIZE = 3 << 20


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(bytes(SIZE))
    return path


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for read in (LocalSource, sha256_of):
        with pytest.raises(OSError, match="no file"):
            read(tmp_path / "pipe")


def test_a_device_in_place_of_a_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for read in (LocalSource, sha256_of):
        with pytest.raises(OSError, match="no file"):
            read(tmp_path / "zeros")
    assert not is_same(tmp_path / "zeros", SmallService(b"").file())


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux has such files")
def test_a_file_that_holds_more_than_its_size_says_is_not_sent_as_empty() -> None:
    with LocalSource(Path("/proc/self/status")) as source, pytest.raises(FileChanged, match="more than its size"):
        source.read(0, source.size)
        source.check()


def _write_behind_its_time(path: Path, at: int) -> None:
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"other")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_two_versions_of_a_file_are_noticed_behind_its_time(film: Path) -> None:
    with LocalSource(film) as source:
        source.read(0, SIZE // 2)
        _write_behind_its_time(film, 0)
        source.read(SIZE // 2, SIZE - SIZE // 2)
        with pytest.raises(FileChanged):
            source.check()


def test_a_change_of_what_was_not_read_yet_is_none_behind_its_time(film: Path) -> None:
    with LocalSource(film) as source:
        source.read(0, SIZE // 2)
        _write_behind_its_time(film, SIZE - 5)
        source.read(SIZE // 2, SIZE - SIZE // 2)
        source.check()
        assert source.sha256().hex() == sha256_of(film)


def test_other_rights_and_links_are_no_change(film: Path) -> None:
    with LocalSource(film) as source:
        source.read(0, SIZE)
        film.chmod(0o600)
        os.link(film, film.with_name("second"))
        source.check()
        assert source.sha256().hex() == sha256_of(film)
