"""What others read out of an archive: Python's zipfile, Info-ZIP's unzip, 7-Zip and libarchive's bsdtar."""

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from tests.missing import missing
from tests.stores import reader_of
from transfer_service.errors import MemberUnreadable, ReadFailed
from transfer_service.storage.zip_directory import Directory, NoZip, name_digest
from transfer_service.storage.zip_members import InflatedMember, MemberPlace, Method, StoredMember
from transfer_service.wire.ranges import Span

T = TypeVar("T")
LIMIT = 10_000_000
PATIENCE_SECONDS = 60.0
UNICODE = {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}

EXTRACTORS = {
    "unzip": ["unzip", "-qq", "-o", "{archive}", "-d", "{folder}"],
    "7zz": ["7zz", "x", "-y", "-bd", "-o{folder}", "{archive}"],
    "bsdtar": ["bsdtar", "-xf", "{archive}", "-C", "{folder}"],
}
# Of unzip 1 is a warning (bytes before the archive, backslashes): it has unpacked everything.
_CONTENT = {"unzip": {0, 1}, "7zz": {0}, "bsdtar": {0}}
_FAILURES = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError, KeyError)


def program(name: str) -> str:
    """A program that a test runs; the test is skipped where it is missing, and fails in CI."""
    return shutil.which(name) or missing(f"{name} is not installed")


def read_by_us(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Those of the names that this service would send, with their bytes."""
    with contextlib.closing(reader_of(path)) as archive:
        try:
            directory = Directory(archive, max_member_bytes=LIMIT)
        except NoZip:
            return {}
    found = {each.name_digest: each for batch in directory.batches(1000) for each in batch if each.flaw is None}
    sent = {}
    for name in names:
        member = found.get(name_digest(name))
        if member is None:
            continue
        place = MemberPlace(member.header_offset, member.compressed_bytes, member.length, member.crc32, member.method)
        with contextlib.suppress(MemberUnreadable, ReadFailed):
            sent[name] = _bytes_of(path, place)
    return sent


def _bytes_of(path: Path, place: MemberPlace) -> bytes:
    kind = StoredMember if place.method == Method.STORED else InflatedMember
    with closing(kind(reader_of(path), place, _inline)) as member:
        member.check()
        return b"".join(member.blocks(Span(0, place.length)))


def _inline(work: Callable[[], T], /) -> T:
    return work()


def read_by_zipfile(path: Path) -> dict[str, bytes]:
    """Every member that Python reads, by its name with slashes."""
    read = {}
    with contextlib.suppress(*_FAILURES), zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            with contextlib.suppress(*_FAILURES):
                read[info.filename.replace("\\", "/")] = archive.read(info)
    return read


def read_by(extractor: str, path: Path) -> dict[str, bytes] | None:
    """The files that a program of EXTRACTORS unpacks, None where it complains. Names with slashes."""
    program(extractor)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        command = [part.format(archive=path, folder=folder) for part in EXTRACTORS[extractor]]
        result = subprocess.run(
            command, env={**os.environ, **UNICODE}, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=PATIENCE_SECONDS, check=False,
        )  # fmt: skip
        return _files_below(Path(folder)) if result.returncode in _CONTENT[extractor] else None


def _files_below(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in folder.rglob("*"):
        if stat.S_ISREG(path.lstat().st_mode):
            path.chmod(0o600)
            found[path.relative_to(folder).as_posix().replace("\\", "/")] = path.read_bytes()
    return found
