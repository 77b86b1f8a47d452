"""Folders as rows: what the database itself keeps from happening, and many who want the same names."""

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from tests.services.conftest import Bench, Body
from transfer_service.errors import NameTaken
from transfer_service.models.files import File, FileState, Folder
from transfer_service.models.uploads import UploadProtocol
from transfer_service.services.uploads.resumable import UploadDraft
from transfer_service.services.uploads.whole_files import Draft
from transfer_service.wire.filenames import split_name

SECONDS = 3
ROOT = Path(__file__).parents[3]


def rows_of(bench: Bench) -> list[Any]:
    """Every row: its label, id, folder, state, and whether it holds its name."""
    with bench.services.database.read() as session:
        found = session.execute(select(File.name, File.id, File.folder_id, File.state, File.holds_name))
        return list(found)


def paths_of(bench: Bench) -> dict[uuid.UUID, str]:
    with bench.services.database.read() as session:
        return {row.id: row.path for row in session.execute(select(Folder.id, Folder.path))}


def check(bench: Bench) -> None:
    """No path is both, nothing lies below a file, each folder's path is that of its place, and the quota is right."""
    rows, paths = rows_of(bench), paths_of(bench)
    folders = {file_id for _, file_id, _, state, _ in rows if state is FileState.FOLDER}
    assert folders == set(paths)
    for label, file_id, folder_id, state, _ in rows:
        assert folder_id is None or folder_id in folders
        if state is FileState.FOLDER:
            assert paths[file_id] == (paths[folder_id] if folder_id else "") + label + "/"
    held = [(paths[folder_id] if folder_id else "") + label for label, _, folder_id, _, holds in rows if holds]
    assert len(held) == len(set(held))
    assert bench.used_bytes() == bench.reserved_bytes()


def begin(bench: Bench, name: str, length: int = 5) -> uuid.UUID:
    draft = UploadDraft(UploadProtocol.TUS, name, None, length=length, overwrite=False)
    return bench.services.resumable_uploads.begin(bench.account_id, draft).id


@pytest.mark.parametrize("name", ["a", "a/b"])
def test_the_database_refuses_a_second_holder_of_a_name(any_bench: Bench, name: str) -> None:
    folder = any_bench.services.folders.create(any_bench.account_id, "a")[0]
    any_bench.services.folders.create(any_bench.account_id, "a/b")
    folder_id = next(each for each, path in paths_of(any_bench).items() if path == "a/")
    row = {
        "id": uuid.uuid4(),
        "account_id": any_bench.account_id,
        "folder_id": folder_id if "/" in name else None,
        "name": split_name(name)[1],
        "holds_name": True,
        "media_type": "",
        "state": FileState.COMPLETE,
        "created_at": folder.created_at,
        "updated_at": folder.created_at,
    }
    with pytest.raises(IntegrityError), any_bench.services.database.write() as session:
        session.execute(insert(File), row)


def test_a_migrated_file_lies_at_the_top_and_may_hold_a_wide_slash(any_bench: Bench) -> None:
    stored = any_bench.store(b"x", "a\uff0fb")
    assert any_bench.find("a\uff0fb") == stored
    any_bench.store(b"y", "a/b")
    assert any_bench.names() == ["a/b", "a\uff0fb"]


def test_a_file_that_arrives_follows_its_folder(any_bench: Bench) -> None:
    folders = any_bench.services.folders

    def move() -> None:
        folders.move(any_bench.account_id, "a", "b/c")

    stored = any_bench.store(b"hello", "a/x/y", before_the_end=move)
    assert (stored.name, any_bench.names()) == ("b/c/x/y", ["b/c/x/y"])
    check(any_bench)


def test_a_file_that_breaks_takes_its_folders_along(any_bench: Bench) -> None:
    with pytest.raises(NameTaken):
        any_bench.store(b"hello", "a/x/y", failure=NameTaken())
    assert rows_of(any_bench) == []
    begin(any_bench, "a/b/c")
    with pytest.raises(NameTaken):
        any_bench.store(b"hello", "a/b/d/e", failure=NameTaken())
    assert sorted(paths_of(any_bench).values()) == ["a/", "a/b/"]


def test_the_folders_that_a_move_makes_stay(any_bench: Bench) -> None:
    folders = any_bench.services.folders
    folders.create(any_bench.account_id, "a")
    folders.move(any_bench.account_id, "a", "b/c/d")
    folders.move(any_bench.account_id, "b/c/d", "d")
    folders.delete(any_bench.account_id, "d", is_recursive=False)
    assert sorted(paths_of(any_bench).values()) == ["b/", "b/c/"]


def test_a_move_leaves_no_date_twice(any_bench: Bench) -> None:
    first = any_bench.store(b"1", "a/x")
    second = any_bench.store(b"2", "b/x")
    any_bench.services.folders.delete(any_bench.account_id, "b", is_recursive=True)
    any_bench.services.folders.move(any_bench.account_id, "a", "b")
    moved = any_bench.find("b/x")
    third = any_bench.store(b"3", "a/x")
    assert moved and moved.completed_at and second.completed_at and first.completed_at and third.completed_at
    assert moved.completed_at.replace(microsecond=0) > second.completed_at.replace(microsecond=0)
    assert third.completed_at.replace(microsecond=0) > first.completed_at.replace(microsecond=0)
    any_bench.services.folders.move(any_bench.account_id, "a", "c")
    any_bench.services.folders.move(any_bench.account_id, "b", "a")
    again = any_bench.find("a/x")
    assert again and again.completed_at
    assert again.completed_at.replace(microsecond=0) > third.completed_at.replace(microsecond=0)


def test_an_account_goes_with_its_folders(any_bench: Bench) -> None:
    other = any_bench.another_account()
    other.store(b"x", "a/b/c")
    begin(other, "a/d/e")
    other.services.folders.create(other.account_id, "z/y")
    name = next(each.name for each in other.services.accounts.list_accounts() if each.account_id == other.account_id)
    other.services.account_removal.remove(name)
    assert (rows_of(any_bench), paths_of(any_bench)) == ([], {})
    assert any_bench.blobs() == set()


def test_a_path_that_is_wanted_by_name_is_found_by_an_index(any_bench: Bench) -> None:
    any_bench.store(b"x", "a/b/c/d/e/f/g/h")
    draft = Draft("a/b/c/d/e/f/g", "text/plain", None, overwrite=True)
    with pytest.raises(NameTaken):
        any_bench.services.whole_files.receive(any_bench.account_id, draft, Body([b"x"]))
    assert any_bench.services.folders.get(any_bench.account_id, "a/b").folders == 5
    check(any_bench)


@pytest.mark.alone
def test_two_processes_that_mix_all_calls_on_a_few_names(any_bench: Bench, tmp_path: Path) -> None:
    """No deadlock, no error of ours, and afterwards everything is in one place: on both databases."""
    database = any_bench.services.database
    for outcome in run_races(any_bench, tmp_path / "data", seed="folders", seconds=SECONDS):
        assert set(outcome) <= {"calls", "expected"}, outcome
        assert outcome["calls"] > 20
    check(any_bench)
    if not database.is_sqlite:
        with database.read_rows() as rows:
            of_this = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
            assert rows.execute(of_this).scalar_one() == 0


def run_races(bench: Bench, data_dir: Path, *, seed: str, seconds: float) -> list[dict[str, int]]:
    """What two processes say of their calls."""
    command = [sys.executable, "-m", "tests.services.files.folder_races", str(data_dir), bench.services.database.url]
    each = [[*command, str(bench.account_id), f"{seed}{number}", str(seconds)] for number in range(2)]
    processes = [subprocess.Popen(one, stdout=subprocess.PIPE, text=True, cwd=ROOT) for one in each]
    return [json.loads(process.communicate(timeout=120)[0]) for process in processes]


def test_folders_are_listed_by_their_labels(any_bench: Bench) -> None:
    for path in ("f/a", "f/a-", "f/a0", "f/b/c"):
        any_bench.services.folders.create(any_bench.account_id, path)
    folders = any_bench.services.folders
    for is_ascending in (True, False):
        listed: list[str] = []
        while page := folders.list_folders(
            any_bench.account_id, "f", is_ascending=is_ascending, limit=1, after=listed[-1] if listed else ""
        ):
            listed += [each.path for each in page]
        assert listed == sorted(["f/a", "f/a-", "f/a0", "f/b"], reverse=not is_ascending)
