"""The folder of archives and of parts on their way there."""

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.missing import missing
from transfer_service.errors import BlobMissing, ReadFailed, StorageFull, StoreUnavailable
from transfer_service.storage.archives import GameStore, Part

JOB, DATA = 5, 12345
DISK_BYTES = 1024 * 1024


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "games"


@pytest.fixture
def games(root: Path) -> GameStore:
    return GameStore(root)


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


def open_part(games: GameStore, job_id: int = JOB, *, may_replace: bool = True) -> AbstractContextManager[Part]:
    return games.open_part(job_id, may_replace=lambda: may_replace)


def publish(games: GameStore, data: bytes, job_id: int = JOB, game_data_id: int = DATA) -> None:
    with open_part(games, job_id) as part:
        part.append([data])
        part.sync()
        games.publish(part, job_id, game_data_id)


class TestPart:
    """The bytes of a job so far."""

    def test_a_new_one_is_empty_and_not_for_everybody(self, games: GameStore, root: Path) -> None:
        with open_part(games) as part:
            assert (part.length, list(part.read_all())) == (0, [])
        assert names(root) == {f"{JOB}.part"}
        assert stat.S_IMODE((root / f"{JOB}.part").stat().st_mode) & 0o027 == 0

    def test_it_grows_and_is_found_again(self, games: GameStore) -> None:
        with open_part(games) as part:
            part.append([b"abc", b"de"])
        with open_part(games) as part:
            part.append([b"", b"f"])
            assert (part.length, b"".join(part.read_all())) == (6, b"abcdef")

    def test_many_small_blocks_are_written(self, games: GameStore) -> None:
        with open_part(games) as part:
            part.append([b"ab"] * 5000)
            assert (part.length, b"".join(part.read_all())) == (10_000, b"ab" * 5000)

    def test_a_cleared_one_begins_at_zero(self, games: GameStore, root: Path) -> None:
        with open_part(games) as part:
            part.append([b"abcdef"])
            part.clear()
            part.append([b"x"])
            assert part.length == 1
        assert (root / f"{JOB}.part").read_bytes() == b"x"

    def test_a_second_run_gets_a_new_one_and_the_first_writes_into_nothing(self, games: GameStore, root: Path) -> None:
        with open_part(games) as first:
            first.append([b"old"])
            with open_part(games) as second:
                assert second.length == 0
                second.append([b"new"])
                first.append([b"more"])
                first.clear()
        assert (root / f"{JOB}.part").read_bytes() == b"new"

    def test_a_run_that_may_not_replace_the_first_one_leaves_it_alone(self, games: GameStore, root: Path) -> None:
        with open_part(games) as first:
            first.append([b"old"])
            with pytest.raises(BlobMissing), open_part(games, may_replace=False):
                pass
            assert first.is_at(root / f"{JOB}.part")

    def test_a_second_run_in_another_process_gets_a_new_one(self, games: GameStore, root: Path) -> None:
        with open_part(games) as part:
            part.append([b"old"])
            if (child := os.fork()) == 0:
                with open_part(games) as second:
                    second.append([b"new"] if second.length == 0 else [])
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            with pytest.raises(BlobMissing):
                games.publish(part, JOB, DATA)
        assert (names(root), (root / f"{JOB}.part").read_bytes()) == ({f"{JOB}.part"}, b"new")

    def test_a_run_that_has_ended_leaves_its_part_to_the_next(self, games: GameStore) -> None:
        with pytest.raises(ZeroDivisionError), open_part(games) as part:
            part.append([b"abc"])
            _ = 1 / 0
        with open_part(games) as part:
            assert part.length == 3

    def test_parts_of_two_jobs_are_two(self, games: GameStore, root: Path) -> None:
        with open_part(games, 1) as first, open_part(games, 2) as second:
            first.append([b"one"])
            second.append([b"two"])
        assert (root / "1.part").read_bytes() + (root / "2.part").read_bytes() == b"onetwo"

    def test_a_link_in_its_place_is_not_followed(self, games: GameStore, root: Path, tmp_path: Path) -> None:
        (tmp_path / "other").write_bytes(b"precious")
        (root / f"{JOB}.part").symlink_to(tmp_path / "other")
        with open_part(games) as part:
            part.append([b"abc"])
        assert (tmp_path / "other").read_bytes() == b"precious"
        assert (root / f"{JOB}.part").read_bytes() == b"abc"

    def test_a_full_disk_keeps_what_was_there(self, small_disk: Path) -> None:
        games = GameStore(small_disk / "games")
        with open_part(games) as part:
            part.append([b"abc"])
            with pytest.raises(StorageFull):
                part.append([bytes(DISK_BYTES)])
            assert part.length == 3
            part.append([b"def"])
            assert b"".join(part.read_all())[:6] == b"abcdef"


class TestPublishing:
    """A part becomes an archive."""

    def test_it_has_the_name_of_an_archive_and_no_other(self, games: GameStore, root: Path) -> None:
        publish(games, b"content")
        assert names(root) == {f"{DATA}.zip"}
        with games.open_archive(DATA) as archive:
            assert archive.read() == b"content"
        assert games.has_archive(DATA)

    def test_what_a_run_has_left_that_was_killed_in_it_is_no_obstacle(self, games: GameStore, root: Path) -> None:
        (root / f"{JOB}.ready").write_bytes(b"left")
        publish(games, b"content")
        assert names(root) == {f"{DATA}.zip"}

    def test_readers_of_the_archive_before_keep_it(self, games: GameStore) -> None:
        publish(games, b"old")
        with games.open_archive(DATA) as before:
            publish(games, b"new content", job_id=6)
            assert before.read() == b"old"
        with games.open_archive(DATA) as after:
            assert after.read() == b"new content"

    def test_a_part_that_has_lost_its_name_is_not_published(self, games: GameStore, root: Path) -> None:
        with open_part(games) as old:
            old.append([b"old"])
            with open_part(games) as new:
                new.append([b"half of the ne"])
                with pytest.raises(BlobMissing):
                    games.publish(old, JOB, DATA)
                assert new.is_at(root / f"{JOB}.part")
        assert names(root) == {f"{JOB}.part"}

    def test_a_part_that_was_deleted_is_not_published(self, games: GameStore, root: Path) -> None:
        with open_part(games) as part:
            part.append([b"old"])
            games.delete_part(JOB)
            with pytest.raises(BlobMissing):
                games.publish(part, JOB, DATA)
        assert names(root) == set()

    def test_a_part_that_loses_its_name_at_that_very_moment_does_not_publish_another(
        self, games: GameStore, root: Path
    ) -> None:
        """Before any step of it a process may sleep for as long as it likes."""

        class Unlucky(Part):
            def link_to(self, path: Path) -> None:
                with open_part(games) as new:
                    new.append([b"half of the ne"])
                super().link_to(path)

        with open_part(games) as mine, open(root / f"{JOB}.part", "r+b") as same:
            mine.append([b"verified"])
            with suppress(BlobMissing):
                games.publish(Unlucky(same.fileno()), JOB, DATA)
        assert not games.has_archive(DATA) or (root / f"{DATA}.zip").read_bytes() == b"verified"

    def test_a_part_that_is_not_given_leaves_nothing_open(self, games: GameStore) -> None:
        def refuse() -> bool:
            return False

        with open_part(games):
            before = len(list(Path("/proc/self/fd").iterdir()))
            for _ in range(5):
                with pytest.raises(BlobMissing), games.open_part(JOB, may_replace=refuse):
                    pass
            assert len(list(Path("/proc/self/fd").iterdir())) == before

    def test_bytes_that_may_be_an_archive_are_nobodys_part(self, games: GameStore, root: Path) -> None:
        """A run may be killed when the archive has its name already, and the part has not lost its own."""
        with open_part(games) as part:
            part.append([b"verified"])
        os.link(root / f"{JOB}.part", root / f"{DATA}.zip")
        with open_part(games) as part:
            assert part.length == 0
            part.append([b"new"])
        assert (root / f"{DATA}.zip").read_bytes() == b"verified"


class TestArchives:
    """Archives and the folder."""

    def test_none_is_there_before_it_was_published(self, games: GameStore) -> None:
        with open_part(games, DATA):
            assert not games.has_archive(DATA)
            with pytest.raises(BlobMissing):
                games.open_archive(DATA)

    def test_what_cannot_be_read_is_no_missing_archive(self, games: GameStore, root: Path) -> None:
        (root / f"{DATA}.zip").mkdir()
        with pytest.raises(ReadFailed):
            games.open_archive(DATA)

    def test_deleting_leaves_it_to_those_who_read_it(self, games: GameStore, root: Path) -> None:
        publish(games, b"content")
        with games.open_archive(DATA) as archive:
            games.delete_archive(DATA)
            games.delete_archive(DATA)
            assert archive.read() == b"content"
        assert names(root) == set()

    def test_deleting_a_part_leaves_the_archive_of_that_number(self, games: GameStore, root: Path) -> None:
        publish(games, b"content", game_data_id=JOB)
        (root / f"{JOB}.ready").touch()
        with open_part(games):
            games.delete_part(JOB)
        assert names(root) == {f"{JOB}.zip"}

    def test_the_folder_is_made_and_is_not_for_everybody(self, games: GameStore, root: Path) -> None:
        assert list(games.list_files()) == []
        assert stat.S_IMODE(root.stat().st_mode) & 0o027 == 0

    def test_files_are_listed_with_their_numbers_and_their_ages(self, games: GameStore, root: Path) -> None:
        publish(games, b"content")
        with open_part(games, 7) as part:
            part.append([b"abc"])
        os.utime(root / "7.part", (1_700_000_000, 1_700_000_000))
        (root / "notes.txt").write_bytes(b"of somebody else")
        listed = {(each.archive_of, each.part_of): each for each in games.list_files()}
        assert set(listed) == {(DATA, None), (None, 7)}
        assert listed[None, 7].modified_at == datetime.fromtimestamp(1_700_000_000, tz=UTC)
        assert listed[None, 7].stored_bytes == (root / "7.part").stat().st_blocks * 512 > 0


def test_a_folder_that_is_gone_is_no_absence_of_archives(games: GameStore, root: Path) -> None:
    publish(games, b"abc")
    assert (games.has_archive(DATA), games.has_archive(DATA + 1)) == (True, False)
    root.rename(root.with_name("elsewhere"))
    for call in (
        lambda: games.has_archive(DATA),
        lambda: games.open_archive(DATA),
        lambda: open_part(games).__enter__(),
    ):
        with pytest.raises(StoreUnavailable):
            call()
