import hashlib
import os
import random
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from transfer_service_client.errors import Conflict, NotFound, SignInNeeded, TransferError
from transfer_service_client.folders.digests import DigestCache
from transfer_service_client.folders.many import Job, Many
from transfer_service_client.folders.outcome import Outcome
from transfer_service_client.folders.sync_plans import plan, worth_hashing
from transfer_service_client.folders.syncing import sync, verify
from transfer_service_client.folders.trees import LocalTree, RemoteTree, local_tree
from transfer_service_client.models import File, Folder, Listing
from transfer_service_client.progress import SILENT, Progress

_AT = datetime(2024, 1, 1, tzinfo=UTC)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Memory:
    """An account that keeps names apart as the service does."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | None] = {}
        self.folders: set[str] = set()
        self.changes: list[tuple[str, str]] = []
        self.refused: dict[str, Exception] = {}
        self.gone: set[str] = set()
        """What somebody else deletes a moment before."""
        self._lock = threading.Lock()

    def list(self, folder: str = "") -> Listing:
        if folder and folder not in self.folders:
            raise NotFound(404, folder)
        folders = [Folder(each, _AT) for each in sorted(self.folders) if each.rpartition("/")[0] == folder]
        names = [each for each in sorted(self.files) if each.rpartition("/")[0] == folder]
        return Listing(folders, [self._file(each) for each in names])

    def upload_files(
        self, files: Iterable[tuple[Path, str]], *, is_compared: bool = True, progress: Progress = SILENT
    ) -> Outcome:
        assert not is_compared
        outcome = Outcome()
        with Many(outcome, progress=progress) as many:
            for path, name in files:
                many.add(Job(name, path.stat().st_size, partial(self._upload, path, name)))
        return outcome

    def _upload(self, path: Path, to: str) -> bool:
        with self._lock:
            return self._put(path, to)

    def _put(self, path: Path, to: str) -> bool:
        self.changes.append(("upload", to))
        if to in self.refused:
            raise self.refused[to]
        above = to.split("/")[:-1]
        if to in self.folders or any("/".join(above[:count]) in self.files for count in range(1, len(above) + 1)):
            raise Conflict(409, to)
        self.folders.update("/".join(above[:count]) for count in range(1, len(above) + 1))
        self.files[to] = path.read_bytes()
        return True

    def delete(self, name: str) -> None:
        self.changes.append(("delete", name))
        if name in self.refused:
            raise self.refused[name]
        del self.files[name]
        if name in self.gone:
            raise NotFound(404, name)

    def make_folder(self, path: str) -> None:
        self.changes.append(("make", path))
        labels = path.split("/")
        self.folders.update("/".join(labels[:count]) for count in range(1, len(labels) + 1))

    def delete_folder(self, path: str, *, is_recursive: bool = False) -> None:
        self.changes.append(("delete folder", path))
        below = {each for each in [*self.files, *self.folders] if each.startswith(f"{path}/")}
        if below and not is_recursive:
            raise Conflict(409, path)
        self.folders -= {path, *below}
        for each in below & self.files.keys():
            del self.files[each]

    def _file(self, name: str) -> File:
        data = self.files[name]
        sha256 = None if data is None else _sha(data)
        return File("id", name, len(data or b""), "text/plain", sha256, data is not None, _AT, _AT)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DigestCache]:
    with DigestCache(tmp_path / "state" / "digests.sqlite3") as digests:
        yield digests


def _write(root: Path, tree: dict[str, bytes | None]) -> None:
    root.mkdir(exist_ok=True)
    for name, data in tree.items():
        path = root / name
        (path if data is None else path.parent).mkdir(parents=True, exist_ok=True)
        if data is not None:
            path.write_bytes(data)


def _empty(folder: Path) -> Path:
    _write(folder / "empty", {})
    return folder / "empty"


def _random_tree(chance: random.Random) -> dict[str, bytes | None]:
    """Files by name, empty folders as None; no file is a folder."""
    tree: dict[str, bytes | None] = {}
    for _ in range(chance.randrange(8)):
        name = "/".join(chance.choice("abc") for _ in range(chance.randrange(1, 4)))
        is_free = not any(each == name or each.startswith(f"{name}/") or name.startswith(f"{each}/") for each in tree)
        if is_free:
            tree[name] = chance.choice([b"one", b"two", b"three", None])
    return tree


@pytest.mark.parametrize("seed", range(60))
def test_a_sync_with_delete_makes_both_the_same_and_a_second_does_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    root, service = tmp_path / "here", Memory()
    _write(root, _random_tree(chance) or {"a": None})
    service.files["other"] = b"not ours"
    for name, data in _random_tree(chance).items():
        service.make_folder(f"there/{name}" if data is None else f"there/{name}".rpartition("/")[0])
        if data is not None:
            service.files[f"there/{name}"] = data
    before = (dict(service.files), set(service.folders))
    database = tmp_path / "digests"
    sync(service, root, "there", delete=True, dry_run=True, cache=DigestCache(database))
    assert (service.files, service.folders) == before
    _, outcome = sync(service, root, "there", delete=True, cache=DigestCache(database))
    assert not outcome.failed
    assert verify(service, root, "there").is_good
    assert service.files["other"] == b"not ours"
    second, _ = sync(service, root, "there", delete=True, cache=DigestCache(database))
    assert second.is_empty


def test_without_delete_nothing_goes_and_what_is_in_the_way_is_told(tmp_path: Path, cache: DigestCache) -> None:
    root, service = tmp_path / "here", Memory()
    _write(root, {"a": b"file here", "b/x": b"folder here", "c": b"new"})
    service.files = {"t/a/x": b"folder there", "t/b": b"file there", "t/d": b"only there", "t/c": b"old"}
    service.folders = {"t", "t/a"}
    steps, outcome = sync(service, root, "t", cache=cache)
    assert {name for name, _ in outcome.errors} == {"t/a", "t/b"}
    assert (steps.uploads, outcome.done) == (["c"], 1)
    assert service.files == {"t/a/x": b"folder there", "t/b": b"file there", "t/d": b"only there", "t/c": b"new"}


def test_nothing_is_deleted_where_something_here_could_not_be_read() -> None:
    local = LocalTree(sizes={"a": 1}, paths={"a": Path("a")}, failed={"secret": PermissionError()})
    remote = RemoteTree(frozenset({"old", "secret"}), {"secret/x": (1, "1"), "old/y": (1, "2")})
    steps = plan(local, remote, {}, delete=True)
    assert (steps.delete_first, steps.delete_files, steps.delete_folders) == ([], [], [])
    assert steps.uploads == ["a"]


def test_what_is_skipped_here_or_unfinished_there_stays_there() -> None:
    local = LocalTree(skipped={"a/link": "A link"}, folders=frozenset({"a"}))
    remote = RemoteTree(
        frozenset({"a", "a/link", "gone"}), {"a/link/x": (1, "1"), "coming": (None, None), "gone/y": (1, "2")}
    )
    steps = plan(local, remote, {}, delete=True)
    assert steps.delete_files == ["gone/y"]
    assert steps.delete_folders == ["gone"]


def test_nothing_is_deleted_after_an_upload_that_failed(tmp_path: Path, cache: DigestCache) -> None:
    root, service = tmp_path / "here", Memory()
    _write(root, {"bad": b"1", "good": b"2"})
    service.files, service.folders = {"t/old": b"3"}, {"t"}
    service.refused["t/bad"] = TransferError("no")
    _, outcome = sync(service, root, "t", delete=True, cache=cache)
    assert (outcome.done, [name for name, _ in outcome.errors]) == (1, ["t/bad"])
    assert "t/old" in service.files


@pytest.mark.parametrize("trouble", ["unreadable", "refused"])
def test_what_is_in_the_way_is_kept_where_something_could_not_be_read_or_sent(
    tmp_path: Path, cache: DigestCache, trouble: str
) -> None:
    root, service = tmp_path / "here", Memory()
    _write(root, {"file": b"here", "folder/x": b"here", "other": b"new"})
    service.files, service.folders = {"t/file/x": b"there", "t/folder": b"there"}, {"t", "t/file"}
    if trouble == "unreadable":
        (root / "folder/x").unlink()
        (root / "folder/x").symlink_to("/proc/self/mem")  # its size can be told, its bytes cannot be had
    else:
        service.refused["t/other"] = TransferError("no")
    _, outcome = sync(service, root, "t", delete=True, cache=cache)
    assert {"t/file", "t/folder"} <= {name for name, _ in outcome.errors}
    assert service.files["t/file/x"] == service.files["t/folder"] == b"there"
    assert outcome.deleted == []


def test_nothing_else_is_deleted_where_what_was_in_the_way_has_no_successor(tmp_path: Path, cache: DigestCache) -> None:
    root, service = tmp_path / "here", Memory()
    _write(root, {"file": b"here"})
    service.files, service.folders = {"t/file/x": b"there", "t/old": b"old"}, {"t", "t/file"}
    service.refused["t/file"] = TransferError("no")
    _, outcome = sync(service, root, "t", delete=True, cache=cache)
    assert (outcome.deleted, service.files) == (["file"], {"t/old": b"old"})


def test_what_was_deleted_is_told_though_something_else_could_not_be(tmp_path: Path, cache: DigestCache) -> None:
    root, service = tmp_path / "here", Memory()
    _write(root, {"a": b"1"})
    service.files, service.folders = {"t/1": b"1", "t/2": b"2", "t/3": b"3"}, {"t"}
    service.refused["t/2"] = TransferError("no")
    service.gone = {"t/3"}
    _, outcome = sync(service, root, "t", delete=True, cache=cache)
    assert [name for name, _ in outcome.errors] == ["t/2"]
    assert outcome.deleted == ["1", "3"]


def test_a_lost_sign_in_ends_all(tmp_path: Path, cache: DigestCache) -> None:
    root, service = tmp_path / "here", Memory()
    _write(root, {"a": b"1"})
    service.refused["t/a"] = SignInNeeded(401, "Not signed in")
    with pytest.raises(SignInNeeded):
        sync(service, root, "t", cache=cache)


def test_a_folder_that_is_not_here_is_an_error_and_deletes_nothing(tmp_path: Path, cache: DigestCache) -> None:
    service = Memory()
    service.files, service.folders = {"t/old": b"3"}, {"t"}
    with pytest.raises(FileNotFoundError):
        sync(service, tmp_path / "missing", "t", delete=True, cache=cache)
    assert service.changes == []


@pytest.mark.parametrize("dry_run", [False, True])
def test_an_empty_folder_here_deletes_nothing(tmp_path: Path, cache: DigestCache, dry_run: bool) -> None:
    service = Memory()
    service.files, service.folders = {"t/old": b"3"}, {"t"}
    with pytest.raises(TransferError, match="mounted"):
        sync(service, _empty(tmp_path), "t", delete=True, dry_run=dry_run, cache=cache)
    assert service.changes == []


def test_an_empty_folder_is_like_an_empty_one(tmp_path: Path, cache: DigestCache) -> None:
    steps, outcome = sync(Memory(), _empty(tmp_path), "t", delete=True, cache=cache)
    assert (steps.is_empty, outcome.failed) == (True, 0)


def test_only_files_of_one_size_are_hashed() -> None:
    local = LocalTree(sizes={"same": 3, "longer": 4, "new": 5, "coming": 6})
    remote = RemoteTree(files={"same": (3, "1"), "longer": (3, "2"), "coming": (6, None)})
    assert worth_hashing(local, remote) == ["same"]


def test_local_names(tmp_path: Path) -> None:
    (tmp_path / "cafe\u0301").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "file link").symlink_to(tmp_path / "cafe\u0301")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).touch()
    tree = local_tree(tmp_path)
    assert set(tree.sizes) == {"caf\u00e9", "file link"}
    assert tree.folders == {"folder"}
    assert tree.skipped.keys() == {"link", "pipe"}
    assert set(tree.failed) == {"dangling", "\N{REPLACEMENT CHARACTER}"}


def test_verify_reads_every_byte_and_tells_each_difference(tmp_path: Path) -> None:
    root, service = tmp_path / "here", Memory()
    _write(root, {"same": b"1", "different": b"2", "only here": b"3", "empty": None})
    service.files = {"t/same": b"1", "t/different": b"x", "t/only there": b"4"}
    service.folders = {"t"}
    found = verify(service, root, "t")
    assert (found.same, found.different) == (["same"], ["different"])
    assert (found.missing_there, found.missing_here) == (["empty", "only here"], ["only there"])
    assert not found.is_good
    with pytest.raises(NotFound):
        verify(service, root, "nowhere")
