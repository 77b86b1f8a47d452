"""The folder of archives and of parts on their way there."""

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.missing import missing
from tests.stores import content, listed
from transfer_service.errors import BlobMissing, RangeBusy, ReadFailed, StorageFull, StoreUnavailable
from transfer_service.storage.blob_files import BlobFiles
from transfer_service.storage.blobs import WHOLE
from transfer_service.storage.disk import DiskStore, DiskWriter
from transfer_service.storage.rooms import ARCHIVES
from transfer_service.wire.ranges import Span

JOB, DATA = 5, 12345
DISK_BYTES = 1024 * 1024
WHOLE_START = Span(0, 100)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "games"


@pytest.fixture
def games(root: Path) -> DiskStore:
    return DiskStore(root, ARCHIVES)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        missing("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def open_part(games: DiskStore, job_id: int = JOB) -> AbstractContextManager[DiskWriter]:
    return games.open_writer(f"{job_id}.part", WHOLE, create=True, wait_seconds=0)


def publish(games: DiskStore, data: bytes, job_id: int = JOB, game_data_id: int = DATA) -> None:
    with open_part(games, job_id) as part:
        part.write(0, [data])
        part.sync()
        part.publish(f"{game_data_id}.zip")


def is_archive(games: DiskStore, game_data_id: int = DATA) -> bool:
    return games.stored_bytes(f"{game_data_id}.zip") is not None


class TestPart:
    """The bytes of a job so far."""

    def test_a_new_one_is_empty_and_not_for_everybody(self, games: DiskStore, root: Path) -> None:
        with open_part(games) as part:
            assert (part.length, part.read(WHOLE_START)) == (0, b"")
        assert names(root) == {f"{JOB}.part"}
        assert stat.S_IMODE((root / f"{JOB}.part").stat().st_mode) & 0o027 == 0

    def test_it_grows_and_is_found_again(self, games: DiskStore) -> None:
        with open_part(games) as part:
            part.write(0, [b"abc", b"de"])
        with open_part(games) as part:
            part.write(part.length, [b"", b"f"])
            assert (part.length, part.read(WHOLE_START)) == (6, b"abcdef")

    def test_a_cleared_one_begins_at_zero(self, games: DiskStore, root: Path) -> None:
        with open_part(games) as part:
            part.write(0, [b"abcdef"])
            part.cut()
            part.write(0, [b"x"])
            assert part.length == 1
        assert (root / f"{JOB}.part").read_bytes() == b"x"

    def test_one_that_lost_its_key_writes_into_nothing(self, games: DiskStore, root: Path) -> None:
        with open_part(games) as first:
            first.write(0, [b"old"])
            with pytest.raises(RangeBusy), open_part(games):
                pass
            games.delete(f"{JOB}.part")
            with open_part(games) as second:
                assert second.length == 0
                second.write(0, [b"new"])
                first.write(3, [b"more"])
                first.cut()
        assert (root / f"{JOB}.part").read_bytes() == b"new"

    def test_a_second_run_in_another_process_finds_it_busy(self, games: DiskStore, root: Path) -> None:
        with open_part(games) as part:
            part.write(0, [b"old"])
            if (child := os.fork()) == 0:
                with pytest.raises(RangeBusy), open_part(games):
                    pass
                games.delete(f"{JOB}.part")
                with open_part(games) as second:
                    second.write(0, [b"new"] if second.length == 0 else [])
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            with pytest.raises(BlobMissing):
                part.publish(f"{DATA}.zip")
        assert (names(root), (root / f"{JOB}.part").read_bytes()) == ({f"{JOB}.part"}, b"new")

    def test_a_full_disk_keeps_what_was_there(self, small_disk: Path) -> None:
        games = DiskStore(small_disk / "games", ARCHIVES)
        with open_part(games) as part:
            part.write(0, [b"abc"])
            with pytest.raises(StorageFull):
                part.write(3, [bytes(DISK_BYTES)])
            part.write(3, [b"def"])
            assert part.read(WHOLE_START)[:6] == b"abcdef"


class TestPublishing:
    """A part becomes an archive."""

    def test_it_has_the_name_of_an_archive_and_no_other(self, games: DiskStore, root: Path) -> None:
        publish(games, b"content")
        assert names(root) == {f"{DATA}.zip"}
        assert content(games, f"{DATA}.zip") == b"content"

    def test_what_a_run_has_left_that_was_killed_in_it_is_no_obstacle(self, games: DiskStore, root: Path) -> None:
        (root / f"{JOB}.ready").write_bytes(b"left")
        publish(games, b"content")
        assert names(root) == {f"{DATA}.zip"}

    def test_readers_of_the_archive_before_keep_it(self, games: DiskStore) -> None:
        publish(games, b"old")
        with closing(games.open_reader(f"{DATA}.zip")) as before:
            publish(games, b"new content", job_id=6)
            assert before.read(0, 99) == b"old"
        assert content(games, f"{DATA}.zip") == b"new content"

    def test_a_part_that_has_lost_its_key_is_not_published(self, games: DiskStore, root: Path) -> None:
        with open_part(games) as old:
            old.write(0, [b"old"])
            games.delete(f"{JOB}.part")
            with open_part(games) as new:
                new.write(0, [b"half of the ne"])
                with pytest.raises(BlobMissing):
                    old.publish(f"{DATA}.zip")
        assert names(root) == {f"{JOB}.part"}

    def test_a_part_that_was_deleted_is_not_published(self, games: DiskStore, root: Path) -> None:
        with open_part(games) as part:
            part.write(0, [b"old"])
            games.delete(f"{JOB}.part")
            with pytest.raises(BlobMissing):
                part.publish(f"{DATA}.zip")
        assert names(root) == set()

    def test_a_part_that_loses_its_key_at_that_very_moment_does_not_publish_another(
        self, games: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before any step of it a process may sleep for as long as it likes."""
        link = BlobFiles.link

        def link_late(self: BlobFiles, descriptor: int, path: Path) -> None:
            games.delete(f"{JOB}.part")
            with open_part(games) as new:
                new.write(0, [b"half of the ne"])
            link(self, descriptor, path)

        with open_part(games) as mine, (root / f"{JOB}.part").open("rb"):
            mine.write(0, [b"verified"])
            (root / "kept").hardlink_to(root / f"{JOB}.part")  # or it could not be linked any more
            monkeypatch.setattr(BlobFiles, "link", link_late)
            mine.publish(f"{DATA}.zip")
        assert (root / f"{DATA}.zip").read_bytes() == b"verified"
        assert (root / f"{JOB}.part").read_bytes() == b"half of the ne"

    def test_a_part_that_is_not_given_leaves_nothing_open(self, games: DiskStore) -> None:
        with open_part(games):
            before = len(list(Path("/proc/self/fd").iterdir()))
            for _ in range(5):
                with pytest.raises(RangeBusy), open_part(games):
                    pass
            assert len(list(Path("/proc/self/fd").iterdir())) == before

    def test_bytes_that_may_be_an_archive_are_nobodys_part(self, games: DiskStore, root: Path) -> None:
        """A run may be killed when the archive has its name already, and the part has not lost its own."""
        with open_part(games) as part:
            part.write(0, [b"verified"])
        os.link(root / f"{JOB}.part", root / f"{DATA}.zip")
        with pytest.raises(RangeBusy), open_part(games):
            pass
        assert (root / f"{DATA}.zip").read_bytes() == b"verified"


class TestArchives:
    """Archives and the folder."""

    def test_none_is_there_before_it_was_published(self, games: DiskStore) -> None:
        with open_part(games, DATA):
            assert not is_archive(games)
            with pytest.raises(BlobMissing):
                games.open_reader(f"{DATA}.zip")

    def test_what_cannot_be_read_is_no_missing_archive(self, games: DiskStore, root: Path) -> None:
        (root / f"{DATA}.zip").mkdir()
        with pytest.raises(ReadFailed):
            games.open_reader(f"{DATA}.zip")

    def test_deleting_leaves_it_to_those_who_read_it(self, games: DiskStore, root: Path) -> None:
        publish(games, b"content")
        with closing(games.open_reader(f"{DATA}.zip")) as archive:
            games.delete(f"{DATA}.zip")
            games.delete(f"{DATA}.zip")
            assert archive.read(0, 99) == b"content"
        assert names(root) == set()

    def test_deleting_a_part_leaves_the_archive_of_that_number(self, games: DiskStore, root: Path) -> None:
        publish(games, b"content", game_data_id=JOB)
        with open_part(games):
            games.delete(f"{JOB}.part")
        assert names(root) == {f"{JOB}.zip"}

    def test_the_folder_is_made_and_is_not_for_everybody(self, games: DiskStore, root: Path) -> None:
        assert listed(games) == []
        assert stat.S_IMODE(root.stat().st_mode) & 0o027 == 0

    def test_files_are_listed_with_their_keys_and_their_ages(self, games: DiskStore, root: Path) -> None:
        publish(games, b"content")
        with open_part(games, 7) as part:
            part.write(0, [b"abc"])
        os.utime(root / "7.part", (1_700_000_000, 1_700_000_000))
        (root / "notes.txt").write_bytes(b"of somebody else")
        found = {each.key: each for each in listed(games)}
        assert set(found) == {f"{DATA}.zip", "7.part"}
        assert found["7.part"].modified_at == datetime.fromtimestamp(1_700_000_000, tz=UTC)
        assert found["7.part"].stored_bytes == (root / "7.part").stat().st_blocks * 512 > 0


def test_a_folder_that_is_gone_is_no_absence_of_archives(games: DiskStore, root: Path) -> None:
    publish(games, b"abc")
    assert (is_archive(games), is_archive(games, DATA + 1)) == (True, False)
    root.rename(root.with_name("elsewhere"))
    for call in (
        lambda: is_archive(games),
        lambda: games.open_reader(f"{DATA}.zip"),
        lambda: open_part(games).__enter__(),
    ):
        with pytest.raises(StoreUnavailable):
            call()
