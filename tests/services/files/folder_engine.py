"""Files, folders and uploads under way against a model: whatever is asked after any history must agree with it."""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import Uuid, bindparam, func, select

from tests.services.conftest import Body
from tests.services.files.folder_model import Entry, Tree, above, is_name
from tests.services.uploads.bench import Append, Uploads
from tests.stores import content
from transfer_service.errors import ChecksumMismatch, NotFound, TransferError, UploadEnded, UploadGone
from transfer_service.models.accounts import Account
from transfer_service.models.files import File, Folder, TrashedFile
from transfer_service.services.files.listing import FileQuery
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.uploads.whole_files import Draft

STEPS_OF_A_HISTORY = 50
_folders, _files, _trashed, _accounts = Folder.__table__, File.__table__, TrashedFile.__table__, Account.__table__
_account = bindparam("account_id", type_=Uuid())
LABELS = ("a", "b", "c.txt", "a (2)", "L" * 200)
PICKS, SIZES, OVERWRITE = st.integers(0, 15), st.integers(0, 4), st.booleans()
PATHS = st.tuples(PICKS, st.lists(st.sampled_from(LABELS), min_size=1, max_size=3))
"""One of the folders that there are, or the top, and what is behind it."""


def _sum_of(table: Any) -> Any:
    reserved = select(func.coalesce(func.sum(table.c.reserved_bytes), 0)).where(table.c.account_id == _account)
    return reserved.scalar_subquery()


_SUMS = select(_accounts.c.used_bytes, _sum_of(_files) + _sum_of(_trashed)).where(_accounts.c.id == _account)


class FolderEngine(RuleBasedStateMachine):
    """Rules are requests."""

    shared: ClassVar[Uploads]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.bench = self.shared.another_account()
        self.account_id, self.services = self.bench.account_id, self.bench.services
        days = self.bench.settings.trash_days
        self.tree = Tree(self.bench.clock, timedelta(days=days) if days else None)
        self.ended: list[Entry] = []
        self.turn = 0

    def path(self, given: tuple[int, list[str]]) -> str:
        """A path that is a name, whether there is something or not."""
        pick, labels = given
        base = self.folder(pick)
        path = "/".join([base, *labels] if base else labels)
        return path if is_name(path) else labels[0]

    def folder(self, pick: int) -> str:
        folders = ["", *sorted(self.tree.folders)]
        return folders[pick % len(folders)]

    def data(self, size: int) -> bytes:
        return bytes((self.turn + number) % 256 for number in range(size))

    def agree(self, call: Callable[[], Any], objections: Iterator[TransferError]) -> Any:
        """What a call gives, None where it must be refused, in the words of the first objection."""
        error, given = None, None
        try:
            given = call()
        except TransferError as raised:
            error = raised
        expected = next(iter(objections), None)  # not before: what is called may change the model
        assert (type(error), str(error)) == (type(expected), str(expected))
        return given

    @rule(path=PATHS, size=SIZES, overwrite=OVERWRITE)
    def store(self, path: tuple[int, list[str]], size: int, overwrite: bool) -> None:
        name, data = self.path(path), self.data(size)
        stored = self.agree(
            lambda: self.bench.store(data, name, overwrite=overwrite),
            self.tree.unclaimable(name, overwrite=overwrite),
        )
        if stored is not None:
            self.tree.claim(Entry(stored.id, name, data, size, True), name, stored.name, overwrite=overwrite)

    @rule(path=PATHS, size=SIZES, overwrite=OVERWRITE, change=st.sampled_from(["move", "delete", "none"]), to=PATHS)
    def store_while_folders_change(
        self, path: tuple[int, list[str]], size: int, overwrite: bool, change: str, to: tuple[int, list[str]]
    ) -> None:
        name, data = self.path(path), self.data(size)
        entry = Entry(uuid.uuid4(), name, data, 0, False)
        if next(self.tree.refused_at_once(name, overwrite=overwrite), None) is None:
            self.tree.place(entry, name)

        def meanwhile() -> None:
            folder = name.partition("/")[0]
            if change == "move":
                self.move(folder, self.path(to))
            elif change == "delete":
                self.remove_folder(folder, is_recursive=True)

        def objections() -> Iterator[TransferError]:
            if entry.id not in self.tree.entries:
                refused = self.tree.refused_at_once(name, overwrite=overwrite)
                yield UploadGone() if entry in self.ended else next(refused)
            else:
                yield from self.tree.unclaimable(entry.name, overwrite=overwrite)

        body = Body([data], before_the_end=meanwhile)
        draft = Draft(name, "text/plain", None, overwrite)
        stored = self.agree(lambda: self.services.whole_files.receive(self.account_id, draft, body).file, objections())
        if entry.id in self.tree.entries:
            self.tree.take_away(entry) if stored is None else self.become(entry, stored, overwrite=overwrite)

    def become(self, entry: Entry, stored: Any, *, overwrite: bool) -> None:
        del self.tree.entries[entry.id]
        entry.id = stored.id
        self.tree.entries[entry.id] = entry
        self.tree.claim(entry, entry.name, stored.name, overwrite=overwrite)

    @rule(path=PATHS, is_slow=st.booleans())
    def break_off(self, path: tuple[int, list[str]], is_slow: bool) -> None:
        """A file whose bytes are not those that were promised: nothing of it is left, no folder either."""
        name = self.path(path)
        body = Body([b"x"], failure=ChecksumMismatch(), is_slow=is_slow)
        draft = Draft(name, "text/plain", 1, overwrite=False)
        error = next(self.tree.refused_at_once(name, overwrite=False), ChecksumMismatch())
        self.agree(lambda: self.services.whole_files.receive(self.account_id, draft, body), iter([error]))

    @rule(path=PATHS, size=st.integers(1, 3), total=st.integers(1, 4))
    def chunk(self, path: tuple[int, list[str]], size: int, total: int) -> None:
        """The next chunk of a file, or the first."""
        name = self.path(path)
        entry = self.tree.holder(name) or Entry(uuid.uuid4(), name, b"", total, holds=True)
        if entry.is_complete:
            return
        start = len(entry.data)
        data = self.data(min(size, entry.length - start))
        refused = [*self.tree.taken(name)] if name in self.tree.folders else [*self.tree.blocked(name)]
        stored = self.agree(lambda: self.bench.append(start, data, name, total=entry.length), iter(refused))
        if stored is not None:
            entry.data += data
            entry.is_complete = len(entry.data) == entry.length
            if not start:
                entry.id = stored.id
            self.tree.place(entry, name)

    @rule(path=PATHS, length=SIZES, overwrite=OVERWRITE)
    def begin(self, path: tuple[int, list[str]], length: int, overwrite: bool) -> None:
        name = self.path(path)

        def objections() -> Iterator[TransferError]:
            yield from self.tree.refused_at_once(name, overwrite=overwrite)
            if not length:
                yield from self.tree.unclaimable(name, overwrite=overwrite)

        upload = self.agree(lambda: self.bench.begin(length, name, overwrite=overwrite), objections())
        if upload is not None:
            entry = Entry(upload.id, name, b"", length, holds=False, overwrite=overwrite, upload=upload)
            self.tree.place(entry, name)
            if not length:
                self.tree.claim(entry, name, upload.name, overwrite=overwrite)

    def pick_upload(self, pick: int) -> Entry | None:
        uploads = sorted((each for each in self.tree.under_way() if each.upload), key=lambda each: each.name)
        return uploads[pick % len(uploads)] if uploads else None

    @rule(pick=PICKS, size=st.integers(0, 4))
    def append(self, pick: int, size: int) -> None:
        entry = self.pick_upload(pick)
        if entry is None or entry.upload is None:
            return
        offset, upload = len(entry.data), entry.upload
        data = self.data(min(size, entry.length - offset))
        entry.data += data
        is_whole = len(entry.data) == entry.length
        refused = self.tree.unclaimable(entry.name, overwrite=entry.overwrite) if is_whole else iter(())
        body = Append([data], announced=len(data))
        after = self.agree(lambda: self.bench.put(upload, body, offset=offset), refused)
        if after is not None and is_whole:
            self.tree.claim(entry, entry.name, after.name, overwrite=entry.overwrite)

    @rule(pick=PICKS)
    def cancel(self, pick: int) -> None:
        uploads = sorted((each for each in self.tree.entries.values() if each.upload), key=lambda each: each.name)
        if not uploads:
            return
        entry = uploads[pick % len(uploads)]
        assert entry.upload is not None
        self.bench.cancel(entry.upload)
        self.ended.append(Entry(entry.id, "", b"", 0, False, upload=entry.upload))
        if entry.is_complete:
            entry.upload = None
        else:
            self.tree.take_away(entry)

    @rule(pick=PICKS)
    def look(self, pick: int) -> None:
        """At an upload; one that could not get its name gets it now, if that is free."""
        entry = self.pick_upload(pick)
        if entry is None or entry.upload is None:
            return
        found = self.bench.get(entry.upload)
        assert (found.offset, found.length) == (len(entry.data), entry.length)
        if found.is_finished:
            assert next(self.tree.unclaimable(entry.name, overwrite=entry.overwrite), None) is None
            self.tree.claim(entry, entry.name, found.name, overwrite=entry.overwrite)
        else:
            is_whole = len(entry.data) == entry.length
            assert found.name == entry.name
            assert not is_whole or next(self.tree.unclaimable(entry.name, overwrite=entry.overwrite), None)

    def pick_file(self, pick: int) -> Entry | None:
        files = self.tree.files()
        return files[sorted(files)[pick % len(files)]] if files else None

    @rule(pick=PICKS, to=PATHS)
    def rename(self, pick: int, to: tuple[int, list[str]]) -> None:
        entry, name = self.pick_file(pick), self.path(to)
        if entry is None:
            return
        objections = iter(()) if name == entry.name else iter([*self.tree.taken(name), *self.tree.blocked(name)])
        renamed = self.agree(lambda: self.services.renaming.rename(self.account_id, entry.id, name), objections)
        if renamed is not None:
            assert renamed.name == name
            self.tree.place(entry, name)

    @rule(pick=PICKS, by_id=st.booleans(), is_permanent=st.booleans())
    def delete(self, pick: int, by_id: bool, is_permanent: bool) -> None:
        entry = self.pick_file(pick)
        if entry is not None:
            given = str(entry.id) if by_id else entry.name
            self.services.files.delete(self.account_id, given, is_permanent=is_permanent)
            self.ended.append(entry)
            self.tree.take_away(entry, is_permanent=is_permanent)

    @rule(path=PATHS)
    def create_folder(self, path: tuple[int, list[str]]) -> None:
        name = self.path(path)
        is_there = name in self.tree.folders
        refused = iter(()) if is_there else iter([*self.tree.taken(name), *self.tree.blocked(name)])
        made = self.agree(lambda: self.services.folders.create(self.account_id, name), refused)
        if made is not None:
            assert made[1] is not is_there
            self.tree.keep(name)

    @rule(pick=PICKS, to=PATHS)
    def move_folder(self, pick: int, to: tuple[int, list[str]]) -> None:
        self.move(self.folder(pick) or "a", self.path(to))

    def move(self, path: str, new_path: str) -> None:
        moved = self.agree(
            lambda: self.services.folders.move(self.account_id, path, new_path), self.tree.unmovable(path, new_path)
        )
        if moved is not None:
            self.tree.move(path, new_path)

    @rule(pick=PICKS, is_recursive=st.booleans(), is_permanent=st.booleans())
    def delete_folder(self, pick: int, is_recursive: bool, is_permanent: bool) -> None:
        self.remove_folder(self.folder(pick) or "b", is_recursive=is_recursive, is_permanent=is_permanent)

    def remove_folder(self, path: str, *, is_recursive: bool, is_permanent: bool = False) -> None:
        refused = next(self.tree.undeletable(path, is_recursive=is_recursive), None)
        self.agree(
            lambda: self.services.folders.delete(
                self.account_id, path, is_recursive=is_recursive, is_permanent=is_permanent
            ),
            iter([refused] if refused else []),
        )
        if refused is None:
            self.ended += self.tree.below(path)
            self.tree.delete_folder(path, is_permanent=is_permanent)

    def pick_trashed(self, pick: int) -> Entry | None:
        trash = sorted(self.tree.trash.values(), key=lambda each: (each.name, each.id))
        return trash[pick % len(trash)] if trash else None

    @rule(pick=PICKS, to=st.none() | PATHS)
    def restore(self, pick: int, to: tuple[int, list[str]] | None) -> None:
        entry = self.pick_trashed(pick)
        if entry is None:
            return
        name = self.path(to) if to else None
        wanted = name or entry.name

        def objections() -> Iterator[TransferError]:
            if name:
                yield from self.tree.taken(name)
            yield from self.tree.unclaimable(wanted, overwrite=False)

        restored = self.agree(lambda: self.services.trash.restore(self.account_id, entry.id, name), objections())
        if restored is not None:
            del self.tree.trash[entry.id]
            self.ended = [each for each in self.ended if each is not entry]
            self.tree.claim(entry, wanted, restored.name, overwrite=False)
            assert entry.upload is None or self.bench.get(entry.upload).is_finished

    @rule(pick=PICKS)
    def purge(self, pick: int) -> None:
        entry = self.pick_trashed(pick)
        if entry is not None:
            self.services.trash.remove(self.account_id, entry.id)
            del self.tree.trash[entry.id]

    @rule(minutes=st.sampled_from([4, 8, 16]))
    def remove_expired(self, minutes: int) -> None:
        """The uploads last longer than a history does."""
        self.bench.clock.advance(minutes=minutes)
        list(self.services.trash.remove_expired(dry_run=False))
        now, trash = self.bench.clock(), self.tree.trash
        self.tree.trash = {key: each for key, each in trash.items() if each.expires_at and each.expires_at > now}

    @precondition(lambda self: len(self.tree.trash) > 3)
    @rule()
    def empty_the_trash(self) -> None:
        self.services.trash.empty(self.account_id)
        self.tree.trash.clear()

    @invariant()
    def everything_agrees(self) -> None:
        type(self).steps += 1
        self.turn += 1
        self.check_files()
        self.check_trash()
        self.check_names()
        self.check_folders()
        self.check_one_folder()
        with self.services.database.read_rows() as rows:
            assert list(rows.execute(_SUMS, {"account_id": self.account_id}).one()) == [self.tree.reserved] * 2
        ended = next((each.upload for each in reversed(self.ended) if each.upload), None)
        assert ended is None or self.bench.error_of(lambda: self.bench.get(ended)) is UploadEnded

    def check_files(self) -> None:
        listed = self.services.file_listing.list_files(self.account_id, limit=1000)
        assert {file.name: _facts(file) for file in listed} == {
            name: (entry.id, len(entry.data), entry.length, _sha256(entry) if entry.is_complete else None)
            for name, entry in self.tree.files().items()
        }

    def check_trash(self) -> None:
        listed = self.services.trash.list_files(self.account_id, limit=1000)
        assert {(each.id, each.name, each.length, each.sha256, each.reason, each.expires_at) for each in listed} == {
            (entry.id, entry.name, entry.length, _sha256(entry), entry.reason, entry.expires_at)
            for entry in self.tree.trash.values()
        }
        for entry in [*self.tree.trash.values()][-1:]:
            assert self.bench.error_of(lambda: self.services.files.get(self.account_id, entry.id)) is NotFound  # noqa: B023

    def check_names(self) -> None:
        files, folders = self.tree.files(), self.tree.folders
        assert len(files) == sum(entry.holds for entry in self.tree.entries.values())
        assert not files.keys() & folders.keys()
        assert all(each in folders for name in [*self.tree.folders, *files] for each in above(name))

    def check_folders(self) -> None:
        with self.services.database.read_rows() as rows:
            found = rows.execute(
                select(_folders.c.path, _folders.c.is_kept).where(_folders.c.account_id == self.account_id)
            )
            assert {row.path[:-1]: row.is_kept for row in found} == self.tree.folders

    def check_one_folder(self) -> None:
        path = self.folder(self.turn)
        folders, files = self.tree.directly_in(path)
        query = FileQuery(folder=path)
        listed = self.services.file_listing.list_files(self.account_id, query, limit=1000)
        assert sorted(file.name for file in listed) == files
        found = self.services.folders.list_folders(self.account_id, path, limit=1000)
        assert [each.path for each in found] == folders
        if path:
            facts, inside = self.services.folders.get(self.account_id, path), self.tree.below(path)
            held = [len(entry.data) for entry in inside if entry.holds]
            assert (facts.files, facts.total_bytes) == (len(held), sum(held))
            assert facts.folders == len(self.tree.folders_below(path)) - 1

    def teardown(self) -> None:
        """Everything has its bytes; and when it is gone, nothing is left."""
        entries = {**self.tree.entries, **self.tree.trash}
        for entry in entries.values():
            assert not (entry.data or entry.is_complete) or content(self.services.store, entry.id) == entry.data
        assert self.bench.blobs() <= entries.keys()
        for entry in self.tree.under_way():
            assert entry.upload is not None
            self.bench.cancel(entry.upload)
        for name in [*self.tree.files()]:
            self.services.files.delete(self.account_id, name)
        self.services.trash.empty(self.account_id)
        for path in [each for each, is_kept in self.tree.folders.items() if is_kept and "/" not in each]:
            self.services.folders.delete(self.account_id, path, is_recursive=True)
        assert self.bench.rows() == self.bench.used_bytes() == len(self.bench.blobs()) == 0


def _facts(file: FileRecord) -> tuple[Any, ...]:
    return file.id, file.received_bytes, file.length, file.sha256


def _sha256(entry: Entry) -> str:
    return hashlib.sha256(entry.data).hexdigest()


def run(bench: Uploads, *, steps: int, number: int) -> int:
    """Compare about so many steps, the same ones for the same number. How many they were."""
    engine: type[FolderEngine] = type("FolderEngineHere", (FolderEngine,), {"shared": bench})
    run_state_machine_as_test(
        seed(number)(engine),
        settings=settings(
            max_examples=max(1, steps // STEPS_OF_A_HISTORY),
            stateful_step_count=STEPS_OF_A_HISTORY,
            database=None,
            phases=[Phase.generate],  # a history is short enough to be read; making it shorter takes minutes
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return engine.steps
