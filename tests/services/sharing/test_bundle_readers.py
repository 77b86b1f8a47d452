"""Archives of bundles, in the hands of every program that unpacks or checks archives."""

import os
import random
import subprocess
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.services.conftest import Bench
from tests.services.sharing.test_bundles import collect
from tests.storage.zip_readers import UNICODE, program, read_by, read_by_zipfile
from tests.stores import path_of
from transfer_service.models.files import File
from transfer_service.wire.ranges import Span
from transfer_service.wire.zip_layout import ZipLayout

CONTENTS = {
    "top.txt": b"top",
    "empty": b"",
    "文件 grün.bin": bytes(range(256)) * 500,
    "days/one/photo.jpg": b"photo",
    "days/one/" + "n" * 255: b"a long name",
    "days/ .hidden": b"hidden",
}
CHECKERS = [
    pytest.param(["zip", "-T", "{archive}"], id="zip"),
    pytest.param(["unzip", "-tqq", "{archive}"], id="unzip"),
    pytest.param(["zipinfo", "-l", "{archive}"], id="zipinfo"),
    pytest.param(["7zz", "t", "-bd", "{archive}"], id="7zz"),
    pytest.param(["bsdtar", "-tvf", "{archive}"], id="bsdtar"),
    pytest.param(["busybox", "unzip", "-tq", "{archive}"], id="busybox"),
]


@pytest.fixture
def archive(bench: Bench, tmp_path: Path) -> Path:
    """Of every content, and a folder with nothing in it."""
    ids = [bench.store(data, name).id for name, data in CONTENTS.items() if "/" not in name]
    for name, data in CONTENTS.items():
        if "/" in name:
            bench.store(data, name)
    bench.services.folders.create(bench.account_id, "days/off")
    layout = ZipLayout(collect(bench, *ids, folders=("days",)))
    path = tmp_path / "files.zip"
    path.write_bytes(b"".join(bench.services.sharing.bundles.open(layout).blocks(Span(0, layout.size))))
    return path


@pytest.mark.parametrize("reader", ["zipfile", "unzip", "7zz", "bsdtar"])
def test_every_unzip_finds_every_file(archive: Path, reader: str) -> None:
    found = read_by_zipfile(archive) if reader == "zipfile" else read_by(reader, archive)
    assert found is not None
    assert {name: data for name, data in found.items() if not name.endswith("/")} == CONTENTS


def test_busybox_unpacks_it_too(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    subprocess.run(
        [program("busybox"), "unzip", "-q", str(archive), "-d", str(folder)], check=True, env={**os.environ, **UNICODE}
    )
    assert {name: (folder / name).read_bytes() for name in CONTENTS} == CONTENTS
    assert (folder / "days" / "off").is_dir()


@pytest.mark.parametrize("command", CHECKERS)
def test_every_checker_is_content(archive: Path, command: list[str]) -> None:
    program(command[0])
    whole = [part.format(archive=archive) for part in command]
    result = subprocess.run(whole, capture_output=True, check=False, env={**os.environ, **UNICODE}, timeout=60)
    assert result.returncode == 0, (result.stdout + result.stderr).decode(errors="replace")
    assert b"warning" not in (result.stdout + result.stderr).lower()


def test_unpacked_files_have_their_dates_and_modes(archive: Path, bench: Bench, tmp_path: Path) -> None:
    """In whatever time zone somebody unpacks it."""
    folder = tmp_path / "out"
    environment = {**os.environ, **UNICODE, "TZ": "Pacific/Kiritimati"}
    subprocess.run([program("unzip"), "-qq", str(archive), "-d", str(folder)], check=True, env=environment, timeout=60)
    found = (folder / "top.txt").stat()
    assert datetime.fromtimestamp(found.st_mtime, UTC) == bench.clock().replace(microsecond=0)
    assert (found.st_mode & 0o777, (folder / "days").stat().st_mode & 0o700) == (0o644, 0o700)


@pytest.mark.alone
def test_members_and_archives_of_more_than_4_gib_are_unpacked(make_bench: Callable[..., Bench], tmp_path: Path) -> None:
    """Of zeros, which take no room: read back by those who can look at a part."""
    bench = make_bench()
    size = (1 << 32) + 5
    ids = [sparse(bench, f"{name}.bin", size) for name in ("one", "two")] + [bench.store(b"last", "last.txt").id]
    layout = ZipLayout(collect(bench, *ids))
    body, path = bench.services.sharing.bundles.open(layout), tmp_path / "large.zip"
    with path.open("wb") as file:
        chance = random.Random(1)
        for start, stop in headers_of(layout):
            file.seek(start)
            file.write(b"".join(body.blocks(Span(start, stop))))
        file.truncate(layout.size)
        for _ in range(20):
            start = chance.randrange(layout.size - 1000)
            assert len(b"".join(body.blocks(Span(start, start + 1000)))) == 1000
    for command in (["zipinfo", "-1"], ["bsdtar", "-tf"], ["unzip", "-Z1"]):
        program(command[0])
        listed = subprocess.run([*command, str(path)], capture_output=True, check=True, timeout=60).stdout
        assert listed.decode().split() == ["one.bin", "two.bin", "last.txt"]
    for command in (["unzip", "-p", str(path), "last.txt"], ["7zz", "e", "-so", str(path), "last.txt"]):
        assert subprocess.run(command, capture_output=True, check=True, timeout=60).stdout == b"last"
    with subprocess.Popen(["unzip", "-p", str(path), "two.bin"], stdout=subprocess.PIPE) as reading:
        assert reading.stdout is not None
        assert reading.stdout.read(1 << 20) == bytes(1 << 20)
        reading.kill()
    assert path.stat().st_blocks * 512 < 1 << 20


def sparse(bench: Bench, name: str, size: int) -> uuid.UUID:
    """A whole file of zeros that takes no room. Its checksum is that of nobody: only who reads all would see."""
    file = bench.store(b"x", name)
    os.truncate(path_of(bench.services.store, file.id), size)
    with bench.services.database.write() as session:
        session.execute(update(File).where(File.id == file.id).values(length=size, received_bytes=size))
    return file.id


def headers_of(layout: ZipLayout) -> list[tuple[int, int]]:
    """The spans that are not data of the large members."""
    spans, at = list[tuple[int, int]](), 0
    for segment in layout.segments(Span(0, layout.size)):
        size = len(segment) if isinstance(segment, bytes) else segment.stop - segment.start
        if size < 1 << 20:
            spans.append((at, at + size))
        at += size
    return spans
