"""Links: addresses by which whoever has them gets files of an account, or brings some into it (docs/sharing.md)."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import repeat
from typing import Any

from sqlalchemy import and_, delete, exists, select, update

from transfer_service.db.database import Executor, run_again
from transfer_service.errors import InvalidRequest, LinkGone, NotComplete, NotFound
from transfer_service.models.files import File, FileState
from transfer_service.models.links import Link, LinkKind, LinkTransfer
from transfer_service.services.accounts.passwords import Passwords
from transfer_service.services.core import Core
from transfer_service.services.events.actions import Action
from transfer_service.services.events.audit import record
from transfer_service.services.files.files import FileService
from transfer_service.services.files.folder_rows import find_folder, lock_names, open_folder
from transfer_service.services.files.rows import FileRecord
from transfer_service.services.sharing import allotments, link_rows
from transfer_service.services.sharing.link_rows import LinkRecord, SharedFile
from transfer_service.services.sharing.link_tokens import LinkTokens, hash_token
from transfer_service.services.sharing.link_uploads import LinkUploads
from transfer_service.wire.instants import format_second
from transfer_service.wire.links import MAX_LISTED, MIN_PASSWORD_CHARACTERS, LinkDraft

_files, _links, _transfers = File.__table__, Link.__table__, LinkTransfer.__table__
KEPT_AFTER_ITS_END = timedelta(days=30)
"""How long owners can still see a link that has expired."""
KEPT_WITHOUT_LIMIT = timedelta(days=1)
IDS_A_QUERY = 500


class LinkService:
    """Makes, shows and ends links, and finds them by the secrets in their addresses."""

    def __init__(
        self, core: Core, *, files: FileService, uploads: LinkUploads, passwords: Passwords, tokens: LinkTokens
    ) -> None:
        self._database = core.database
        self._now = core.now
        self._offload = core.offload
        self._files = files
        self._uploads = uploads
        self._passwords = passwords
        self._tokens = tokens

    def create(self, account_id: uuid.UUID, draft: LinkDraft) -> LinkRecord:
        """A new link. Raises NotFound for what is not the account's, NotComplete, InvalidRequest for too many files."""
        self._check_files(account_id, draft.file_ids)
        link_id, now = uuid.uuid4(), self._now()
        token, sealed = self._tokens.make(link_id)
        password = draft.password
        link = LinkRecord(
            id=link_id,
            account_id=account_id,
            kind=LinkKind.UPLOAD if draft.is_upload else LinkKind.DOWNLOAD,
            name=draft.name,
            token_hash=hash_token(token) or "",
            sealed_token=sealed,
            password_hash=None if password is None else self._passwords.hash(password, least=MIN_PASSWORD_CHARACTERS),
            folder_id=None,
            max_downloads=draft.max_downloads,
            downloads=0,
            max_files=draft.max_files,
            max_bytes=draft.max_bytes,
            created_at=now,
            expires_at=(now + timedelta(seconds=draft.expires_in, milliseconds=500)).replace(microsecond=0),
        )
        return self._add(link, draft)

    def _check_files(self, account_id: uuid.UUID, file_ids: Sequence[uuid.UUID]) -> None:
        """Raises NotFound, NotComplete where one of the files is not there, not the account's, or not whole."""
        whole: set[uuid.UUID] = set()
        with self._database.read_rows() as rows:
            for start in range(0, len(file_ids), IDS_A_QUERY):
                is_whole = select(_files.c.id).where(
                    _files.c.id.in_(file_ids[start : start + IDS_A_QUERY]),
                    _files.c.account_id == account_id,
                    _files.c.state == FileState.COMPLETE,
                    _files.c.holds_name,
                )
                whole.update(rows.execute(is_whole).scalars())
        for file_id in file_ids:
            if file_id not in whole and not self._files.get(account_id, file_id).is_complete:
                raise NotComplete("File is not complete and cannot be shared")

    @run_again
    def _add(self, link: LinkRecord, draft: LinkDraft) -> LinkRecord:
        with self._database.write_rows() as rows:
            if draft.folder is not None:
                lock_names(rows, link.account_id)
                folder_id = open_folder(rows, link.account_id, draft.folder, link.created_at, is_kept=True)
                link = replace(link, folder_id=folder_id)
            folder_ids = [_folder_id(rows, link.account_id, path) for path in draft.folders]
            link_rows.add(rows, link, draft.file_ids, folder_ids)
            if link.is_upload:
                self._allot(rows, link)
            if folder_ids and len(link_rows.find_contents(rows, link, limit=MAX_LISTED + 1)) > MAX_LISTED:
                raise InvalidRequest(f"A link gives out at most {MAX_LISTED} files")
            record(rows, Action.LINK_CREATED, link.id, _details(link, draft), at=link.created_at)
        return link

    @staticmethod
    def _allot(rows: Executor, link: LinkRecord) -> None:
        """Let files come by an upload link, within its limits, until it expires."""
        allotments.add(
            rows,
            link.id,
            link.account_id,
            quota_bytes=link.max_bytes,
            quota_files=link.max_files,
            gives_back=False,
            ends_at=link.expires_at,
        )

    def get(self, account_id: uuid.UUID, link_id: uuid.UUID) -> LinkRecord:
        """The account's link of that id, expired or not. Raises LinkGone."""
        with self._database.read_rows() as rows:
            link = link_rows.find_own(rows, account_id, link_id)
        if link is None:
            raise LinkGone
        return link

    def list_links(
        self, account_id: uuid.UUID, *, limit: int, after: tuple[datetime, uuid.UUID] | None = None
    ) -> list[LinkRecord]:
        """The account's links, the newest first, behind `after`: when one was made, and its id."""
        with self._database.read_rows() as rows:
            return link_rows.find_page(rows, account_id, limit=limit, after=after)

    def revoke(self, account_id: uuid.UUID, link_id: uuid.UUID) -> None:
        """End a link for good, with what is under way by it. Raises LinkGone."""
        with self._database.write_rows(durable=True) as rows:  # or a power loss gives it out again
            removed = link_rows.remove(rows, account_id, link_id)
            if removed is None:
                raise LinkGone
            now = self._now()
            allotments.end(rows, link_id, now=now)
            record(rows, Action.LINK_REVOKED, link_id, {"kind": removed.kind.value, "name": removed.name}, at=now)
        self._uploads.cancel_all(account_id, link_id)

    def remove_ended(self, *, dry_run: bool) -> Iterator[int]:
        """Remove links that expired long ago, and who has had what of those without a limit. A 0 for each link.

        How far a client is with a link that has a limit is kept as long as the link, or it would be counted again.
        """
        now = self._now()
        is_over = _links.c.expires_at < now - KEPT_AFTER_ITS_END
        for batch in self._database.batches(select(_links.c.id).where(is_over)):
            count = len(batch)
            if not dry_run:  # in short transactions: nobody else can write meanwhile
                with self._database.write_rows() as rows:
                    of_batch = _links.c.id.in_([row.id for row in batch])
                    count = rows.execute(delete(_links).where(of_batch, is_over)).rowcount
            yield from repeat(0, count)
        if not dry_run:
            self._forget_transfers(now)

    def _forget_transfers(self, now: datetime) -> None:
        is_old = _transfers.c.updated_at < now - KEPT_WITHOUT_LIMIT
        is_free = and_(_links.c.id == _transfers.c.link_id, _links.c.max_downloads.is_(None))
        for batch in self._database.batches(select(_links.c.id).where(exists().where(is_free, is_old))):
            of_batch = _transfers.c.link_id.in_([row.id for row in batch])
            with self._database.write_rows() as rows:
                rows.execute(delete(_transfers).where(of_batch, is_old))

    def token_of(self, link: LinkRecord) -> str | None:
        """The secret in a link's address, None where it was made under a key that this service does not have."""
        return self._tokens.open(link.id, link.sealed_token, link.token_hash)

    def reseal(self) -> int:
        """Seal the tokens that older keys have sealed with the present one, so that those keys can go. How many."""
        count = 0
        for batch in self._database.batches(select(_links.c.id, _links.c.sealed_token, _links.c.token_hash)):
            sealed = [(row, self._tokens.reseal(row.id, row.sealed_token, row.token_hash)) for row in batch]
            changed = [(row, new) for row, new in sealed if new not in {None, row.sealed_token}]
            if changed:
                with self._database.write_rows() as rows:
                    for row, new in changed:
                        rows.execute(update(_links).where(_links.c.id == row.id).values(sealed_token=new))
            count += len(changed)
        return count

    def find(self, token: str) -> LinkRecord:
        """The link of an address, if it still counts. Raises LinkGone."""
        token_hash = hash_token(token)
        if token_hash is None:
            raise LinkGone
        with self._database.read_rows() as rows:
            link = link_rows.find(rows, token_hash)
            if link is None or link.expires_at <= self._now() or self._has_lost_all(rows, link):
                raise LinkGone
        return link

    def _has_lost_all(self, rows: Executor, link: LinkRecord) -> bool:
        if link.is_upload:
            return link.folder_id is not None and link_rows.find_folder_path(rows, link) is None
        return link_rows.is_empty(rows, link)

    def contents(self, link: LinkRecord) -> list[SharedFile]:
        """What a link gives out right now, at most MAX_LISTED files."""
        if link.is_upload:
            return []
        with self._database.read_rows() as rows:
            find = partial(link_rows.find_contents, rows, link, limit=MAX_LISTED)
            return self._offload(find) if self._database.is_sqlite else find()  # there may be many

    def selection(self, link: LinkRecord) -> tuple[list[uuid.UUID], list[str]]:
        """The files and the paths of the folders that a link names, as far as they are there."""
        with self._database.read_rows() as rows:
            file_ids = link_rows.find_file_ids(rows, link)
            return file_ids, [path for _, path in link_rows.find_folders(rows, link)]

    def get_file(self, link: LinkRecord, file_id: uuid.UUID) -> FileRecord:
        """A whole file that a link gives out. Raises LinkGone."""
        try:
            file = self._files.get(link.account_id, file_id)
        except NotFound as error:
            raise LinkGone from error
        with self._database.read_rows() as rows:
            if link.is_upload or not file.is_complete or not link_rows.has_file(rows, link, file_id, file.name):
                raise LinkGone
        return file

    def folder_of(self, link: LinkRecord) -> str:
        """The path of the folder that an upload link fills, empty for the top. Raises LinkGone."""
        if link.folder_id is None:
            return ""
        with self._database.read_rows() as rows:
            path = link_rows.find_folder_path(rows, link)
        if path is None:
            raise LinkGone
        return path


def _folder_id(rows: Executor, account_id: uuid.UUID, path: str) -> uuid.UUID:
    folder = find_folder(rows, account_id, path)
    if folder is None:
        raise NotFound("Folder not found")
    folder_id: uuid.UUID = folder.id
    return folder_id


def _details(link: LinkRecord, draft: LinkDraft) -> dict[str, Any]:
    """What the log tells of a new link: not its address."""
    return {
        "kind": link.kind.value,
        "name": link.name,
        "files": len(draft.file_ids),
        "folders": list(draft.folders if draft.folder is None else [draft.folder]),
        "has_password": link.password_hash is not None,
        "max_downloads": link.max_downloads,
        "expires_at": format_second(link.expires_at),
    }
