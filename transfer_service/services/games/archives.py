"""Members of verified archives: how they are found, and their bytes, which are never unpacked to disk."""

import hashlib
import threading
import uuid
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cachetools import FIFOCache

from transfer_service.errors import BlobMissing, MemberUnreadable, NotFound, ReadFailed
from transfer_service.services.core import Core
from transfer_service.services.games import member_rows
from transfer_service.services.games.job_rows import archive_key, is_archive_needed
from transfer_service.services.games.member_rows import ROWS_A_TRANSACTION, Hold
from transfer_service.storage.blobs import WHOLE, Lock
from transfer_service.storage.zip_directory import Directory, Flaw, NoZip, name_digest
from transfer_service.storage.zip_members import InflatedMember, MemberPlace, Method, StoredMember

CHECKED_STORED_BYTES = 64 * 1024 * 1024
"""Larger stored members are not read before they are sent: their length cannot lie, their bytes are the archive's,
whose SHA-256 was verified, and a client that seeks in a film must not wait for all of it."""

URL_FOLDERS = ("content/", "htdocs/", "")
_DETAILS = {
    Flaw.ENCRYPTED: "This member of the archive is encrypted",
    Flaw.UNSUPPORTED: "This member of the archive is compressed by an unsupported method",
    Flaw.DAMAGED: "This member of the archive is damaged",
    Flaw.OVERSIZED: "This member of the archive is larger than the limit",
}
CAPACITY = 50_000
REMOVAL_SECONDS = 30.0
"""An object store may take so long to remove an archive."""
NO_ZIP = "The archive of this game is not a readable zip file"


@dataclass(frozen=True, slots=True)
class Member:
    """A member that may be sent. `etag` is the same from every instance; `modified_at` is when it was downloaded."""

    name: str
    game_data_id: int
    archive_bytes: int
    place: MemberPlace
    etag: str
    modified_at: datetime

    @property
    def length(self) -> int:
        """In bytes, as they are sent."""
        return self.place.length


class MemberChecks:
    """The verdicts on the latest CAPACITY members: what is true of an archive stays true, so each is checked once.

    Whoever asks for one that is being checked waits for its verdict.
    """

    def __init__(self) -> None:
        self._verdicts: FIFOCache[Hashable, str | None] = FIFOCache(CAPACITY)
        self._running: dict[Hashable, threading.Lock] = {}

    def check_once(self, key: Hashable, check: Callable[[], None]) -> None:
        """Run `check` unless its verdict is known. Raises MemberUnreadable, now and later, and what `check` raises."""
        verdict = self._verdicts[key] if key in self._verdicts else self._learn(key, check)
        if verdict is not None:
            raise MemberUnreadable(verdict)

    def _learn(self, key: Hashable, check: Callable[[], None]) -> str | None:
        with self._running.setdefault(key, threading.Lock()):
            try:
                if key in self._verdicts:
                    return self._verdicts[key]
                return self._run(key, check)
            finally:
                self._running.pop(key, None)

    def _run(self, key: Hashable, check: Callable[[], None]) -> str | None:
        verdict = None
        try:
            check()
        except MemberUnreadable as error:
            verdict = error.detail
        self._verdicts[key] = verdict
        return verdict


class GameArchives:
    """Knows the members of archives, finds and opens them."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._store = core.games
        self._offload = core.offload
        self._max_member_bytes = core.settings.max_file_bytes
        self._checks = MemberChecks()

    def index(self, game_data_id: int, *, hold: Hold) -> int | None:
        """Learn the members of an archive and give their number, None where it is no readable zip.

        Whoever is killed in it may begin again. `hold` is called in each of its transactions, of which there are many,
        because others want to write too; it raises where another run does the work by now. Raises BlobMissing,
        ReadFailed.
        """
        directory = self._offload(lambda: self._read_directory(game_data_id))
        deleted = ROWS_A_TRANSACTION
        while deleted == ROWS_A_TRANSACTION:
            with self._database.write_rows() as rows:
                hold(rows)
                deleted = member_rows.delete_some(rows, game_data_id, limit=ROWS_A_TRANSACTION)
        if directory is None:
            return None
        for batch in directory.batches(ROWS_A_TRANSACTION):
            with self._database.write_rows() as rows:
                hold(rows)
                member_rows.add(rows, game_data_id, batch)
        return len(directory)

    def _read_directory(self, game_data_id: int) -> Directory | None:
        with closing(self._store.open_reader(archive_key(game_data_id), is_checked=True)) as archive:
            try:
                return Directory(archive, max_member_bytes=self._max_member_bytes)
            except NoZip:
                return None

    def get_member(self, game_id: uuid.UUID, name: str) -> Member:
        """A member of the game's newest completed archive.

        Raises NotFound, MemberUnreadable, BlobMissing, ReadFailed.
        """
        with self._database.read_rows() as rows:
            found = member_rows.find_in_game(rows, game_id, name_digest(name))
        for row in found:
            if not self.is_there(row.game_data_id):
                continue
            if row.member_count is None:
                raise MemberUnreadable(NO_ZIP)
            if row.header_offset is None:
                break
            return self._checked(_member(row, name))
        raise NotFound

    def find_by_url(self, location: str) -> Member:
        """The member for a URL without its scheme, `host/path`, in the archive completed last that has it.

        Host names know no case (RFC 3986 section 3.2.2), folders of archives do: as it is asked for comes first, and
        the lower case second. Raises what `get_member` does.
        """
        host, slash, path = location.partition("/")
        hosts = (host, host.lower())
        names = [f"{folder}{each}{slash}{path}" for folder in URL_FOLDERS for each in hosts]
        by_digest = {name_digest(name): name for name in reversed(names)}
        with self._database.read_rows() as rows:
            found = member_rows.find_anywhere(rows, [name_digest(name) for name in names])
        for row in found:
            if self.is_there(row.game_data_id):
                return self._checked(_member(row, by_digest[bytes(row.name_digest)]))
        raise NotFound

    def is_there(self, game_data_id: int) -> bool:
        """Whether the archive is still in its place."""
        return self._store.stored_bytes(archive_key(game_data_id)) is not None

    def open(self, member: Member) -> StoredMember | InflatedMember:
        """The bytes, for the caller to close. Raises BlobMissing, ReadFailed."""
        kind = StoredMember if member.place.method == Method.STORED else InflatedMember
        with ExitStack() as cleanup:
            archive = self._store.open_reader(archive_key(member.game_data_id))
            cleanup.callback(archive.close)
            if archive.size != member.archive_bytes:
                raise ReadFailed  # another archive than the one that was indexed
            body = kind(archive, member.place, self._offload)
            cleanup.pop_all()
            return body

    def _checked(self, member: Member) -> Member:
        """The member, when its data was looked at once. Raises MemberUnreadable, BlobMissing, ReadFailed."""
        if member.place.method != Method.STORED or member.length <= CHECKED_STORED_BYTES:
            self._checks.check_once((member.game_data_id, member.etag), lambda: self._check(member))
        return member

    def _check(self, member: Member) -> None:
        with closing(self.open(member)) as body:
            body.check()


def _member(row: Any, name: str) -> Member:
    """The member in a row. Raises MemberUnreadable where it has a flaw."""
    if row.flaw is not None:
        raise MemberUnreadable(_DETAILS[Flaw(row.flaw)])
    return Member(
        name=name,
        game_data_id=row.game_data_id,
        archive_bytes=row.total_bytes,
        place=MemberPlace(
            header_offset=row.header_offset,
            compressed_bytes=row.compressed_bytes,
            length=row.length,
            crc32=row.crc32,
            method=row.method,
        ),
        etag=hashlib.sha256(f"{row.sha256}:{row.header_offset}".encode()).hexdigest(),
        modified_at=row.finished_at,
    )


class ArchiveRemoval:
    """Removes archives that no remote download needs, and what is known of their members."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._store = core.games
        self._offload = core.offload

    def remove_unneeded(
        self, game_data_id: int, *, sha256: str | None = None, dispose: Callable[[], object] | None = None
    ) -> bool:
        """Remove an archive unless a job works on it or has completed it (with that digest); tell whether it went.

        `dispose` does it, in place of the store's own way.

        The members go in small steps, each in a transaction that asks again: others want to write too, and a job that
        begins meanwhile learns them anew. On a disk the bytes go in the last one, in which no job begins; a remote
        store writes rows of its own for that, so there it happens behind it, and a job that begins waits for it.
        """
        key = archive_key(game_data_id)
        dispose = dispose or (lambda: self._store.delete(key))
        if self._store.is_remote:
            with self._removing(game_data_id):
                is_unneeded = self._forget(game_data_id, sha256)
                if is_unneeded:
                    dispose()
                return is_unneeded
        with ExitStack() as held:
            with suppress(BlobMissing, ReadFailed):
                # Held open, so that the name goes in an instant, and the bytes later, off the event loop.
                archive = self._store.open_reader(key)
                held.callback(lambda: self._offload(archive.close))
            return self._forget(game_data_id, sha256, at_last=dispose)

    def wait_for_others(self, game_data_id: int) -> None:
        """For who works on a job: nobody removes the archive from now on who has asked before there was the job.

        Raises RangeBusy.
        """
        if self._store.is_remote:
            with self._removing(game_data_id):
                pass

    def _removing(self, game_data_id: int) -> AbstractContextManager[Lock]:
        return self._store.claims.lock(f"{game_data_id}.removal", WHOLE, wait_seconds=REMOVAL_SECONDS)

    def _forget(self, game_data_id: int, sha256: str | None, *, at_last: Callable[[], object] | None = None) -> bool:
        removed = ROWS_A_TRANSACTION
        while removed == ROWS_A_TRANSACTION:
            with self._database.write() as session:
                if is_archive_needed(session, game_data_id, sha256=sha256):
                    return False
                removed = member_rows.delete_some(session, game_data_id, limit=ROWS_A_TRANSACTION)
                if removed < ROWS_A_TRANSACTION and at_last is not None:
                    at_last()
        return True
