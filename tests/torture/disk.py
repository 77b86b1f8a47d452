"""A disk that can be seen as it was at any moment: ext4 on a loop device, on a file that logs what happens to it."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture.logged_file import NAME, RECORD

DISK_BYTES = 80 * 1024 * 1024
SECTOR_BYTES = 512
PATIENCE_SECONDS = 10.0
REPOSITORY = Path(__file__).parents[2]


def run(*command: str | Path) -> str:
    """What a command prints. Raises CalledProcessError."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def make_disk(path: Path) -> None:
    """An empty ext4 in a file, with a small journal, and nothing left to be initialized later."""
    with path.open("wb") as file:
        file.truncate(DISK_BYTES)
    options = "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    run("mkfs.ext4", "-q", "-F", "-O", "^metadata_csum_seed", "-J", "size=4", "-E", options, path)


@contextmanager
def mounted(path: Path, mountpoint: Path, *options: str) -> Iterator[Path]:
    """A file with ext4 in it, mounted: what was under way when the power went is replayed."""
    mountpoint.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "ext4", "-o", ",".join(["loop", "noatime", *options]), path, mountpoint)
    try:
        yield mountpoint
    finally:
        _unmount(mountpoint)


def _unmount(mountpoint: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            run("umount", mountpoint)
            return
        except subprocess.CalledProcessError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@dataclass(frozen=True)
class Cut:
    """What a power loss leaves: all records before `flushed`, and of those from there to `position` the `kept` ones."""

    position: int
    flushed: int
    kept: frozenset[int]


@dataclass
class LoggedDisk:
    """The log in `folder` of a disk that was `base` before."""

    folder: Path
    base: Path
    _replayed: int = field(default=0, init=False)

    @property
    def position(self) -> int:
        """How many records there are by now."""
        return (self.folder / "index").stat().st_size // RECORD.size

    def records(self) -> list[tuple[int, int]]:
        return list(RECORD.iter_unpack((self.folder / "index").read_bytes()))

    def cuts(
        self, count: int, *, first: int, last: int, chance: random.Random, tense: Sequence[tuple[int, int]] = ()
    ) -> list[Cut]:
        """Moments of a power loss from record `first` to `last`: a third wherever, a third right before a flush,
        where most is lost, and a third in the `tense` stretches of the log.
        """
        records = self.records()
        flushes = [number for number, (_, length) in enumerate(records) if not length]
        late = [number for number in flushes if first <= number <= last]
        cuts = []
        for number in range(count):
            position = chance.randint(first, last)
            if number % 3 == 1 and late:
                position = chance.choice(late)
            elif number % 3 == 2 and tense:
                position = min(chance.randint(*chance.choice(tense)), last)
            flushed = max((flush + 1 for flush in flushes if flush < position), default=0)
            share = chance.choice(
                [0.0, 0.5, 1.0, 1.0]
            )  # what a disk has in its memory it writes in any order, or never
            kept = frozenset(each for each in range(flushed, position) if chance.random() < share)
            cuts.append(Cut(position, flushed, kept))
        return sorted(cuts, key=lambda cut: cut.flushed)

    def images(self, cuts: list[Cut], path: Path) -> Iterator[Cut]:
        """The disk after each of the cuts, which must be sorted, at `path`; it may be changed there."""
        records, replay = self.records(), self.folder / "replay"
        shutil.copyfile(self.base, replay)
        with replay.open("r+b", buffering=0) as disk, (self.folder / "data").open("rb", buffering=0) as data:
            done, place = 0, 0
            for cut in cuts:
                for offset, length in records[done : cut.flushed]:
                    os.pwrite(disk.fileno(), os.pread(data.fileno(), length, place), offset)
                    place += length
                done = cut.flushed
                path.unlink(missing_ok=True)  # whoever still has the one before open writes to that
                run("cp", "--sparse=always", replay, path)
                self._add_kept(records, cut, path, data.fileno(), place)
                yield cut

    def _add_kept(self, records: list[tuple[int, int]], cut: Cut, path: Path, data: int, place: int) -> None:
        with path.open("r+b", buffering=0) as image:
            for number in range(cut.flushed, cut.position):
                offset, length = records[number]
                if number in cut.kept:
                    os.pwrite(image.fileno(), os.pread(data, length, place), offset)
                place += length


@contextmanager
def logged_disk(base: Path, folder: Path, mountpoint: Path, *options: str) -> Iterator[LoggedDisk]:
    """The ext4 of `base`, which stays as it is, mounted at `mountpoint`; everything that happens to it is logged."""
    folder.mkdir(parents=True)
    shutil.copyfile(base, folder / "disk")
    with ExitStack() as stack:
        stack.enter_context(mounted(stack.enter_context(_logging(folder)), mountpoint, *options))
        yield LoggedDisk(folder, base)


@contextmanager
def _logging(folder: Path) -> Iterator[Path]:
    inner = folder / "fuse"
    inner.mkdir()
    command = [sys.executable, "-m", "tests.torture.logged_file", str(inner), str(folder)]
    process = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not inner.is_mount():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("FUSE does not work here")
            time.sleep(0.02)
        yield inner / NAME.removeprefix("/")
    finally:
        if inner.is_mount():
            _unmount(inner)
        process.wait(timeout=PATIENCE_SECONDS)
