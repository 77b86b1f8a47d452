"""Archives by the packers that people use: in one go, and through pipes, where sizes are not known before the data."""

import io
import os
import random
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.storage.zip_readers import PATIENCE_SECONDS, UNICODE, program

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MEMBERS = {
    "index.html": b"<p>hello",
    "empty.txt": b"",
    "content/example.com/é文.bin": random.Random(1).randbytes(200_000),
    "zeros": bytes(300_000),
}

IN_DOS = {"INDEX.HTM": MEMBERS["index.html"], "EMPTY.TXT": b"", "ZEROS": MEMBERS["zeros"]}
"""What is left of some of them in an archive for DOS."""

PIPED = b"through a pipe " * 1000


def write_members(folder: Path) -> None:
    """MEMBERS as files."""
    for name, data in MEMBERS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def pack(name: str, folder: Path, archive: Path) -> None:
    """Make `archive` of what is in `folder`, in the way of COMMANDS or of Python."""
    if name in COMMANDS:
        command, *arguments = COMMANDS[name]
        program(command)
        words = [each.format(archive=archive) for each in [command, *arguments]]
        _run(words, folder, archive if "{archive}" not in COMMANDS[name] else None)
    else:
        PYTHON[name](folder, archive)


def pack_piped(name: str, folder: Path, archive: Path) -> None:
    """Make `archive` of PIPED, which comes through a pipe, in the way of PIPES."""
    command, *arguments = PIPES[name]
    program(command)
    words = [each.format(archive=archive) for each in [command, *arguments]]
    _run(words, folder, archive if "{archive}" not in PIPES[name] else None, PIPED)


def _run(command: list[str], folder: Path, output: Path | None, data: bytes | None = None) -> None:
    """Run a packer; what it prints goes through a pipe into `output`."""
    result = subprocess.run(
        command, cwd=folder, env={**os.environ, **UNICODE}, input=data, capture_output=True,
        timeout=PATIENCE_SECONDS, check=True,
    )  # fmt: skip
    if output is not None:
        output.write_bytes(result.stdout)


COMMANDS = {
    "zip": ["zip", "-qr", "{archive}", "."],
    "zip, stored": ["zip", "-qr0", "{archive}", "."],
    "zip, zip64": ["zip", "-qr", "-fz", "{archive}", "."],
    "zip, bzip2": ["zip", "-qr", "-Z", "bzip2", "{archive}", "."],
    "zip, descriptors": ["zip", "-qr", "-fd", "{archive}", "."],
    "zip, DOS": ["zip", "-qrk", "{archive}", "index.html", "empty.txt", "zeros"],
    "zip to a pipe": ["zip", "-qr", "-", "."],
    "7-Zip": ["7zz", "a", "-bd", "-tzip", "{archive}", "."],
    "7-Zip, bzip2": ["7zz", "a", "-bd", "-tzip", "-mm=BZip2", "{archive}", "."],
    "7-Zip, local code page": ["7zz", "a", "-bd", "-tzip", "-mcu=off", "{archive}", "."],
    "7-Zip to a pipe": ["7zz", "a", "-bd", "-tzip", "-so", "x.zip", "."],
    "bsdtar": ["bsdtar", "-a", "-cf", "{archive}", "."],
    "bsdtar, stored": ["bsdtar", "--format=zip", "--options=zip:compression=store", "-cf", "{archive}", "."],
    "bsdtar, zip64": ["bsdtar", "--format=zip", "--options=zip:zip64", "-cf", "{archive}", "."],
    "bsdtar to a pipe": ["bsdtar", "--format=zip", "-cf", "-", "."],
}

PIPES = {
    "zip": ["zip", "-q", "{archive}", "-"],
    "zip, to a pipe too": ["zip", "-q", "-", "-"],
    "zip, stored": ["zip", "-q0", "{archive}", "-"],
    "7-Zip": ["7zz", "a", "-bd", "-tzip", "-si-", "{archive}"],
    "Perl": ["perl", "-MIO::Compress::Zip=zip", "-e", "zip '-' => '-', Name => '-'"],
    "Perl, zip64": ["perl", "-MIO::Compress::Zip=zip", "-e", "zip '-' => '-', Name => '-', Zip64 => 1"],
    "Perl, stored": [
        "perl", "-MIO::Compress::Zip=zip,ZIP_CM_STORE", "-e", "zip '-' => '-', Name => '-', Method => ZIP_CM_STORE",
    ],
}  # fmt: skip


class _Pipe(io.RawIOBase):
    """A file that cannot go back."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("wb")

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer") -> int:
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _python(folder: Path, archive: Path, *, method: int = zipfile.ZIP_DEFLATED, before: bytes = b"") -> None:
    archive.write_bytes(before)
    with zipfile.ZipFile(archive, "a" if before else "w", method) as packed:
        for name in MEMBERS:
            packed.write(folder / name, name)


def _python_to_a_pipe(folder: Path, archive: Path) -> None:
    with _Pipe(archive) as pipe, zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in MEMBERS:
            with packed.open(name, "w", force_zip64=True) as member:
                member.write((folder / name).read_bytes())


def _python_commented(folder: Path, archive: Path) -> None:
    _python(folder, archive)
    with zipfile.ZipFile(archive, "a") as packed:
        packed.comment = b"a comment with PK\x05\x06 in it"


PYTHON: dict[str, Callable[[Path, Path], None]] = {
    "Python": _python,
    "Python, stored": lambda folder, archive: _python(folder, archive, method=zipfile.ZIP_STORED),
    "Python, bzip2": lambda folder, archive: _python(folder, archive, method=zipfile.ZIP_BZIP2),
    "Python to a pipe": _python_to_a_pipe,
    "Python, behind a stub": lambda folder, archive: _python(folder, archive, before=b"#!/bin/sh\nexit 1\n" * 99),
    "Python, commented": _python_commented,
}
