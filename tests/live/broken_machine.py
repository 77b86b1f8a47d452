"""A machine that breaks under a running instance: its disk, system calls on stored bytes."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.server import LiveServer
from tests.missing import missing

DISK_BYTES = 96 * 1024 * 1024
SOURCE = Path(__file__).with_name("broken_disk.c")


@dataclass(frozen=True)
class LoopDisk:
    """An ext4 file system of its own, in an image that is mounted at `folder`."""

    folder: Path

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """What ext4 does by itself after an error of the disk. (A plain remount is refused while files are open.)"""
        with suppress(OSError):  # it is for good
            (self.folder / "probe").touch()
            _run("mount", "-o", "remount,abort", str(self.folder))
        yield

    @contextmanager
    def immutable(self, *paths: Path) -> Iterator[None]:
        """With `chattr +i`: root may not write there either."""
        _run("chattr", "+i", *map(str, paths))
        try:
            yield
        finally:
            _run("chattr", "-i", *map(str, paths))

    @contextmanager
    def without(self, path: Path) -> Iterator[None]:
        """While something is somewhere else."""
        elsewhere = path.with_name(f"{path.name}-elsewhere")
        path.rename(elsewhere)
        try:
            yield
        finally:
            elsewhere.rename(path)


class ServerOfDisk(LiveServer):
    """An instance whose log is not on its disk."""

    @property
    def log_path(self) -> Path:
        return self.data_dir.parents[1] / "server.log"


@contextmanager
def loop_disk(folder: Path) -> Iterator[LoopDisk]:
    """Make and mount one."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        missing("a file system of its own needs root and mkfs.ext4")
    image, place = folder / "disk.img", folder / "disk"
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    place.mkdir()
    _run("mkfs.ext4", "-q", "-F", str(image))
    mounted = subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=False, capture_output=True)
    if mounted.returncode:
        missing("this machine has no loop devices")
    try:
        yield LoopDisk(place)
    finally:
        _run("umount", "-l", str(place))
        image.unlink()


@dataclass
class BrokenCalls:
    """System calls on stored bytes that fail with EIO in processes with this `environment`."""

    folder: Path
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        if shutil.which("gcc") is None:
            missing("gcc is not installed")
        library = self.folder / "broken_disk.so"
        _run("gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl")
        self.environment = {"LD_PRELOAD": str(library), "BROKEN_CALLS": str(self._list)}

    @property
    def _list(self) -> Path:
        return self.folder / "broken-calls"

    @contextmanager
    def failing(self, *calls: str) -> Iterator[None]:
        """While some of `open`, `pwrite`, `fsync`, `pread`, `ftruncate` fail, or the `flush_log` of SQLite."""
        self._list.write_text(" ".join(calls))
        try:
            yield
        finally:
            self._list.unlink()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
