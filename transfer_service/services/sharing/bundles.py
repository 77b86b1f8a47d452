"""Bundles: what somebody selects, as one archive. What lies in it is decided once, and its bytes follow from that."""

import uuid
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from transfer_service.db.database import run_again
from transfer_service.errors import ChecksumsPending, InvalidRequest, NotComplete, NotFound
from transfer_service.services.core import Core
from transfer_service.services.files.files import FileService
from transfer_service.services.sharing import bundle_rows
from transfer_service.services.sharing.bundle_rows import FoundFile, FoundFolder
from transfer_service.services.sharing.checksums import Checksums
from transfer_service.services.sharing.zip_body import ZipBody
from transfer_service.storage.bodies import BlobReader
from transfer_service.threads import T
from transfer_service.wire.filenames import split_name
from transfer_service.wire.links import MAX_LISTED
from transfer_service.wire.zip_layout import ZipLayout, ZipMember, ZipMembers
from transfer_service.wire.zip_paths import ZipPaths

LIFE = timedelta(hours=24)
MOST_FOLDERS = 2 * MAX_LISTED
TOO_MUCH = f"A bundle has at most {MAX_LISTED} files and empty folders"
_LOOKS = 3


@dataclass(frozen=True, slots=True)
class _Contents:
    """A folder by its path, with all folders and whole files in it."""

    path: str
    folders: list[FoundFolder]
    files: list[FoundFile]


@dataclass(frozen=True, slots=True)
class BundleRecord:
    """A bundle, and what lies in it."""

    id: uuid.UUID
    account_id: uuid.UUID
    name: str
    members: ZipMembers
    created_at: datetime
    expires_at: datetime

    @property
    def file_ids(self) -> list[uuid.UUID]:
        """Those of the files in it, each once."""
        return [uuid.UUID(bytes=each) for each in self.members.sources()]


class BundleService:
    """Collects what goes into archives, keeps that for as long as their addresses count, and opens them."""

    def __init__(self, core: Core, *, files: FileService, checksums: Checksums) -> None:
        self._database = core.database
        self._store = core.store
        self._offload = core.offload
        self._now = core.now
        self._files = files
        self._checksums = checksums

    def collect(
        self, account_id: uuid.UUID, file_ids: Sequence[uuid.UUID], folders: Sequence[str], *, is_lenient: bool = False
    ) -> ZipMembers:
        """What an archive of these files, and of all in these folders right now, is made of: paths, sizes, checksums.

        A file lies in it under its last label, what is in a folder under its path from the folder's own label on, and
        what would have the same path gets a number. Folders with nothing below them are there too. With `is_lenient`
        what is gone or unfinished is left out, and so is what is too much: as a link shows it, which gives out what is
        there when it is asked. The archive itself is `web.sharing.zips.zip_file` of this.

        Raises NotFound for what is not the account's, NotComplete, InvalidRequest for more than MAX_LISTED; also
        ChecksumsPending while files from before are read through for the first time, ReadFailed where one is damaged.
        """
        file_ids, folders = list(dict.fromkeys(file_ids)), list(dict.fromkeys(folders))
        for _ in range(_LOOKS):
            named = self._find_named(account_id, file_ids, is_lenient=is_lenient)
            contents = self._look_into_all(account_id, folders, is_lenient=is_lenient)
            lacking = [
                file.id for files in (named, *(each.files for each in contents)) for file in files if file.crc32 is None
            ]
            if not lacking:
                return self._offload(partial(_members, named, contents, is_lenient=is_lenient))
            self._checksums.ensure(account_id, lacking)
        raise ChecksumsPending

    def _find_named(self, account_id: uuid.UUID, file_ids: Sequence[uuid.UUID], *, is_lenient: bool) -> list[FoundFile]:
        """The whole files of these ids. A crash may have left one before its last step, which is taken."""
        found = self._find_whole(account_id, file_ids)
        others = [] if is_lenient else [each for each in file_ids if each not in found]
        for file_id in others:
            if not self._files.get(account_id, file_id).is_complete:
                raise NotComplete("File is not complete and cannot be bundled")
        if others:
            found = self._find_whole(account_id, file_ids)
        if not is_lenient and len(found) < len(file_ids):  # gone between two looks
            raise NotFound("File not found")
        return [found[each] for each in file_ids if each in found]

    def _find_whole(self, account_id: uuid.UUID, file_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, FoundFile]:
        if not file_ids:
            return {}
        with self._database.read_rows() as rows:
            return self._run(lambda: bundle_rows.find_whole_files(rows, account_id, file_ids))

    def _look_into_all(self, account_id: uuid.UUID, folders: Sequence[str], *, is_lenient: bool) -> list[_Contents]:
        """What is in each folder. Raises NotFound, and InvalidRequest where it is too much: one may lie in another."""
        contents, files, below = list[_Contents](), 0, 0
        for path in folders:
            each = self._look_into(account_id, path, is_lenient=is_lenient)
            if each is None:
                continue
            contents.append(each)
            files, below = files + len(each.files), below + len(each.folders)
            if files > MAX_LISTED or below > MOST_FOLDERS:
                if is_lenient:
                    break
                raise InvalidRequest(TOO_MUCH)
        return contents

    def _look_into(self, account_id: uuid.UUID, path: str, *, is_lenient: bool) -> _Contents | None:
        """A folder with all that is in it, None where it is gone and that matters not. Raises NotFound."""
        with self._database.read_rows() as rows:
            folders = self._run(lambda: bundle_rows.find_folders_below(rows, account_id, path, limit=MOST_FOLDERS + 1))
        if not folders:
            if is_lenient:
                return None
            raise NotFound("Folder not found")
        files = self._files_below(account_id, path)
        if any(not each.is_whole for each in files):
            for file in files:
                if not file.is_whole:
                    with suppress(NotFound):
                        self._files.get(account_id, file.id)
            files = self._files_below(account_id, path)
        return _Contents(path, folders, [each for each in files if each.is_whole])

    def _files_below(self, account_id: uuid.UUID, path: str) -> list[FoundFile]:
        with self._database.read_rows() as rows:
            return self._run(lambda: bundle_rows.find_files_below(rows, account_id, path, limit=MAX_LISTED + 1))

    def _run(self, work: Callable[[], T]) -> T:
        """Ask for what may be ten thousand rows, in SQLite off the event loop."""
        return self._offload(work) if self._database.is_sqlite else work()

    @run_again
    def _add(self, row: dict[str, Any]) -> None:
        with self._database.write_rows() as rows:
            bundle_rows.add(rows, row)

    def create(
        self, account_id: uuid.UUID, file_ids: Sequence[uuid.UUID], folders: Sequence[str], name: str
    ) -> BundleRecord:
        """A new bundle, called `name`. Raises like `collect`."""
        members = self.collect(account_id, file_ids, folders)
        now = self._now()
        bundle = BundleRecord(uuid.uuid4(), account_id, name, members, now, now + LIFE)
        packed = self._offload(lambda: zlib.compress(members.pack(), 1))
        self._add({
            "id": bundle.id, "account_id": account_id, "name": name, "members": packed,
            "created_at": now, "expires_at": bundle.expires_at,
        })  # fmt: skip
        return bundle

    def get(self, account_id: uuid.UUID, bundle_id: uuid.UUID) -> BundleRecord:
        """The account's bundle of that id, while it may read all files in it. Raises NotFound."""
        with self._database.read_rows() as rows:
            row = bundle_rows.find(rows, bundle_id)
        if row is None or row.account_id != account_id or row.expires_at <= self._now():
            raise NotFound("Bundle not found")
        members = self._offload(lambda: ZipMembers.unpack(zlib.decompress(row.members)))
        bundle = BundleRecord(row.id, account_id, row.name, members, row.created_at, row.expires_at)
        if not (self._is_readable(bundle) or (self._take_last_steps(bundle) and self._is_readable(bundle))):
            raise NotFound("Bundle not found")
        return bundle

    def _is_readable(self, bundle: BundleRecord) -> bool:
        """Whether its account may still read all files in it."""
        with self._database.read_rows() as rows:
            return self._run(lambda: bundle_rows.are_readable(rows, bundle.account_id, bundle.file_ids))

    def _take_last_steps(self, bundle: BundleRecord) -> bool:
        """Finish those of its files that a power loss has put in doubt. Whether there were any."""
        with self._database.read_rows() as rows:
            due = self._run(lambda: bundle_rows.find_due_files(rows, bundle.account_id, bundle.file_ids))
        for file_id in due:
            with suppress(NotFound):
                self._files.get(bundle.account_id, file_id)
        return bool(due)

    def open(self, layout: ZipLayout) -> ZipBody:
        """The bytes of an archive, to be closed."""
        return ZipBody(layout, self._open_source, is_remote=self._store.is_remote)

    def _open_source(self, source: bytes) -> BlobReader:
        return self._store.open_reader(uuid.UUID(bytes=source))


def _members(named: Sequence[FoundFile], contents: Sequence[_Contents], *, is_lenient: bool) -> ZipMembers:
    """The members of an archive: named files first, then one folder after the other, by their paths in it."""
    paths = ZipPaths()
    roots = [paths.root(split_name(each.path)[1]) for each in contents]
    places = [
        {folder.path: paths.folder(root + folder.path[len(each.path) :]) for folder in each.folders}
        for root, each in zip(roots, contents, strict=True)
    ]
    members = [_file(paths.file("", each.label), each) for each in named]
    for each, folders in zip(contents, places, strict=True):
        filled = {split_name(folder.path)[0] for folder in each.folders} | {file.folder for file in each.files}
        inside = [
            _file(paths.file(folders[file.folder], file.label), file) for file in each.files if file.folder in folders
        ]
        inside += [
            ZipMember(f"{folders[folder.path]}/", 0, 0, int(folder.created_at.timestamp()))
            for folder in each.folders
            if folder.path not in filled
        ]
        members += sorted(inside)
    if len(members) > MAX_LISTED and not is_lenient:
        raise InvalidRequest(TOO_MUCH)
    return ZipMembers(members[:MAX_LISTED])


def _file(path: str, file: FoundFile) -> ZipMember:
    modified_at = int(file.completed_at.timestamp()) if file.completed_at is not None else 0
    return ZipMember(path, file.length or 0, file.crc32 or 0, modified_at, file.id.bytes)
