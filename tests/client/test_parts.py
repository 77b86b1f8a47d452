"""Unfinished downloads in folders that others write to, and how open to others what they become is."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from transfer_service_client.downloads.downloads import download
from transfer_service_client.downloads.parts import PartFile, is_strong_etag
from transfer_service_client.downloads.placing import TargetFolder, part_stem
from transfer_service_client.errors import TransferError

from tests.client.small_service import SmallService, serving

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such owners and bits")

DATA = bytes(range(256)) * 1000
_PART, _LIST = f"{part_stem('film.mp4')}.part", f"{part_stem('film.mp4')}.json"
_SOMEBODY = 65534


def _list(service: SmallService, **fields: object) -> str:
    file = service.file()
    whole = {"file_id": file.file_id, "sha256": file.sha256, "size": file.size, "etag": '"one"', "ranges": [[0, 10]]}
    return json.dumps({**whole, **fields})


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files away")
def test_what_somebody_else_has_put_there_becomes_no_file_of_ours(tmp_path: Path) -> None:
    service, part = SmallService(DATA), tmp_path / _PART
    part.write_bytes(DATA)
    part.chmod(0o666)
    os.chown(part, _SOMEBODY, _SOMEBODY)
    with part.open("r+b") as theirs, serving(service) as session:
        download(session, service.file(), tmp_path / "film.mp4")
        theirs.write(b"changed after it was verified")
    assert (tmp_path / "film.mp4").read_bytes() == DATA
    assert (tmp_path / "film.mp4").stat().st_uid == os.geteuid()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("plant", [_pipe, _endless])
def test_a_list_that_is_no_file_stops_nothing(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    service = SmallService(DATA)
    plant(tmp_path / _LIST)
    with serving(service) as session:
        download(session, service.file(), tmp_path / "film.mp4")
    assert [each.name for each in tmp_path.iterdir()] == ["film.mp4"]


@pytest.mark.parametrize(
    "text",
    [
        _list(SmallService(DATA), ranges=[[0, float("inf")]]),
        _list(SmallService(DATA), ranges=[[0, float("nan")]]),
        _list(SmallService(DATA), ranges=[[0]]),
        _list(SmallService(DATA), etag='"a"\r\nX: y'),
        _list(SmallService(DATA), etag="weak"),
        _list(SmallService(DATA), sha256="0" * 64),
        _list(SmallService(DATA), file_id="22222222-2222-4222-8222-222222222222"),
        _list(SmallService(DATA), size=len(DATA) + 1),
        "[" * 100_000,
        "\xff",
    ],
    ids=[
        "endless",
        "no-number",
        "half",
        "two-fields",
        "weak",
        "other-bytes",
        "other-file",
        "other-size",
        "deep",
        "no-utf-8",
    ],
)
def test_a_list_that_says_something_else_is_none(tmp_path: Path, text: str) -> None:
    service = SmallService(DATA)
    (tmp_path / _PART).write_bytes(bytes(len(DATA)))
    (tmp_path / _LIST).write_bytes(text.encode("latin-1"))
    with serving(service) as session:
        download(session, service.file(), tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == DATA
    assert service.ranges == [None]


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o755])
def test_what_replaces_a_file_is_no_more_open_than_that(tmp_path: Path, mode: int) -> None:
    service, target, seen = SmallService(DATA), tmp_path / "film.mp4", set[int]()
    target.write_bytes(b"the old one")
    target.chmod(mode)

    def look(_start: int, data: bytes) -> bytes:
        seen.update(stat.S_IMODE(each.stat().st_mode) for each in tmp_path.glob(".transfer-*"))
        return data

    service.body = look
    with serving(service) as session:
        download(session, service.file(), target)
    assert stat.S_IMODE(target.stat().st_mode) == mode
    assert seen == {mode | 0o600}


def test_a_new_file_is_as_open_as_this_user_wants(tmp_path: Path) -> None:
    service, before = SmallService(DATA), os.umask(0o027)
    try:
        with serving(service) as session:
            download(session, service.file(), tmp_path / "film.mp4")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "film.mp4").stat().st_mode) == 0o640


def test_what_another_program_was_given_is_not_passed_on(tmp_path: Path) -> None:
    target = tmp_path / "film.mp4"
    target.write_bytes(b"a program")
    target.chmod(0o4755)
    part = PartFile(target, SmallService(DATA).file())
    part.finish(0)
    part.close()
    assert stat.S_IMODE(target.stat().st_mode) == 0o755


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root mounts disks")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_what_has_arrived_on_a_full_disk_is_gone_on_with(small_disk: Path, tmp_path: Path) -> None:
    service = SmallService(DATA * 10)
    with serving(service) as session:
        with pytest.raises(TransferError, match="no room"):
            download(session, service.file(), small_disk / "film.mp4")
        service.ranges = []
        for each in (_PART, _LIST):
            shutil.copy2(small_disk / each, tmp_path / each)
        download(session, service.file(), tmp_path / "film.mp4")
    assert service.ranges[0] is not None
    assert int(service.ranges[0].removeprefix("bytes=").partition("-")[0]) > 800_000
    assert {each.name for each in tmp_path.iterdir()} == {"disk", "film.mp4"}


def _swap(folder: Path, outside: Path) -> None:
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(outside)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "film.mp4").write_bytes(b"precious")
    return folder


@pytest.mark.parametrize("name", ["a/film.mp4", "a/b/film.mp4"])
def test_a_link_that_takes_the_place_of_a_folder_is_not_followed(tmp_path: Path, outside: Path, name: str) -> None:
    service, into = SmallService(DATA), TargetFolder(tmp_path / "into")
    target = into.place(name)
    (outside / "b").mkdir()
    _swap(into.root / "a", outside)
    with serving(service) as session, pytest.raises(OSError, match=r"(?i)link|no.*directory"):
        download(session, service.file(), target, below=into.root)
    assert {each.name for each in outside.rglob("*")} == {"film.mp4", "b"}
    assert (outside / "film.mp4").read_bytes() == b"precious"


def test_a_link_that_takes_the_place_of_a_folder_later_leads_nothing_elsewhere(tmp_path: Path, outside: Path) -> None:
    service, into = SmallService(DATA), TargetFolder(tmp_path / "into")
    target = into.place("a/film.mp4")

    def swap(_start: int, data: bytes) -> bytes:
        _swap(into.root / "a", outside)
        return data

    service.body = swap
    with serving(service) as session:
        download(session, service.file(), target, below=into.root)
    assert [each.name for each in outside.iterdir()] == ["film.mp4"]
    assert (outside / "film.mp4").read_bytes() == b"precious"
    assert (into.root / "moved/film.mp4").read_bytes() == DATA


@pytest.mark.parametrize("etag", ["", "one", 'W/"one"', '"\u00e9"', '"a"b"', '"a\n"', '"a" '])
def test_what_tells_no_single_version(etag: str) -> None:
    assert not is_strong_etag(etag)


def test_its_bytes_and_then_its_name_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service, steps = SmallService(DATA), []
    fsync, rename = os.fsync, os.rename

    def flushed(handle: int) -> None:
        steps.append("a folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else f"{os.fstat(handle).st_size} bytes")
        fsync(handle)

    def renamed(source: str, target: str, **folders: int) -> None:
        steps.append(target)
        rename(source, target, **folders)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "rename", renamed)
    with serving(service) as session:
        download(session, service.file(), tmp_path / "film.mp4")
    assert steps == [f"{len(DATA)} bytes", "film.mp4", "a folder"]
