"""What goes into an export: all that would go with the account, but what lets somebody in, and what others have said.

It is walked along indexes, a page at a time. Nobody is kept from changing anything meanwhile: what is gone when its
turn comes to be sent ends the archive early, and the next one is without it.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select, tuple_

from transfer_service.errors import NotFound, ReadFailed
from transfer_service.models.accounts import Account, AccountPermission, SignIn
from transfer_service.models.chat import Conversation, Message, Participant
from transfer_service.models.files import File, Folder, TrashedFile
from transfer_service.models.identities import AccountIdentity
from transfer_service.models.keys import AccountKey
from transfer_service.models.links import Link
from transfer_service.models.uploads import ResumableUpload
from transfer_service.services.chat import conversation_rows
from transfer_service.services.core import Core
from transfer_service.services.exports.drafting import ExportDraft, json_line
from transfer_service.services.exports.late_checksums import Late, LateChecksums
from transfer_service.services.exports.sources import AttachmentSource, FileSource, pack
from transfer_service.services.files import rows as file_rows
from transfer_service.services.sharing.checksums import Checksums
from transfer_service.wire.instants import format_second
from transfer_service.wire.zip_layout import ZipMember
from transfer_service.wire.zip_paths import ZipPaths, safe_path

PAGE = 500
FILES, TRASH, ATTACHMENTS = "files", "trash", "attachments"

_accounts, _permissions, _sign_ins = Account.__table__, AccountPermission.__table__, SignIn.__table__
_files, _folders, _trashed, _uploads = (
    File.__table__,
    Folder.__table__,
    TrashedFile.__table__,
    ResumableUpload.__table__,
)
_messages, _conversations, _participants = Message.__table__, Conversation.__table__, Participant.__table__
_keys, _links, _identities = AccountKey.__table__, Link.__table__, AccountIdentity.__table__


class Contents:
    """Writes exports."""

    def __init__(self, core: Core, *, checksums: Checksums) -> None:
        self._database = core.database
        self._offload = core.offload
        self._checksums = checksums
        self._late = LateChecksums(core)

    def write(self, draft: ExportDraft, account_id: uuid.UUID, at: datetime) -> None:
        """Write all there is now. Raises NotFound where the account is gone, ChecksumsPending."""
        paths = ZipPaths()
        self._write_account(draft, account_id, at)
        self._write_messages(draft, account_id, at, paths)
        self._write_folders(draft, account_id, paths)
        self._write_files(draft, account_id, at, paths)
        self._write_trash(draft, account_id, at, paths)

    def _pages(self, statement: Select[Any], *place: Any) -> Iterator[Sequence[Row[Any]]]:
        """The rows in the order of these columns, which are the first ones: in SQLite off the event loop."""
        ordered, last = statement.order_by(*place).limit(PAGE), None
        while True:
            page = ordered if last is None else ordered.where(tuple_(*place) > tuple_(*last))
            with self._database.read_rows() as rows:

                def find(rows: Any = rows, page: Select[Any] = page) -> Sequence[Row[Any]]:
                    found: Sequence[Row[Any]] = rows.execute(page).all()
                    return found

                found = self._offload(find) if self._database.is_sqlite else find()
            if found:
                yield found
            if len(found) < PAGE:
                return
            last = tuple(found[-1][: len(place)])

    def _write_list(self, draft: ExportDraft, path: str, at: datetime, statement: Select[Any], *place: Any) -> None:
        with draft.json_list(path, at) as listed:
            for page in self._pages(statement, *place):
                for row in page:
                    listed.add(_plain(row._mapping))

    def _write_account(self, draft: ExportDraft, account_id: uuid.UUID, at: datetime) -> None:
        columns: tuple[str, ...]
        columns = ("id", "name", "is_admin", "used_bytes", "quota_bytes", "created_at", "last_sign_in_at")
        own = select(*(_accounts.c[name] for name in columns)).where(_accounts.c.id == account_id)
        held = select(_permissions.c.permission).where(_permissions.c.account_id == account_id)
        with self._database.read_rows() as rows:
            account = rows.execute(own).one_or_none()
            permissions = rows.execute(held.order_by(_permissions.c.permission)).scalars().all()
        if account is None:
            raise NotFound("There is no such account")
        with draft.text("account.json", at) as text:
            text.write(json_line({**_plain(account._mapping), "permissions": list(permissions)}) + "\n")
        columns = ("id", "created_at", "renewed_at", "expires_at", "revoked_at", "ip_address", "user_agent")
        self._write_own(draft, "sessions.json", at, _sign_ins, account_id, columns)
        columns = ("id", "name", "scopes", "created_at", "expires_at", "last_used_at")
        self._write_own(draft, "keys.json", at, _keys, account_id, columns)
        person = select(_identities).where(_identities.c.account_id == account_id)
        self._write_list(draft, "identities.json", at, person, _identities.c.account_id)
        columns = (
            "id",
            "kind",
            "name",
            "max_downloads",
            "downloads",
            "max_files",
            "max_bytes",
            "created_at",
            "expires_at",
        )
        self._write_own(draft, "links.json", at, _links, account_id, columns)
        columns = ("id", "protocol", "kind", "created_at", "ended_at")
        self._write_own(draft, "uploads.json", at, _uploads, account_id, columns)

    def _write_own(
        self, draft: ExportDraft, path: str, at: datetime, table: Any, account_id: uuid.UUID, columns: Sequence[str]
    ) -> None:
        statement = select(*(table.c[name] for name in columns)).where(table.c.account_id == account_id)
        self._write_list(draft, path, at, statement, table.c.id)

    def _write_messages(self, draft: ExportDraft, account_id: uuid.UUID, at: datetime, paths: ZipPaths) -> None:
        with draft.json_list("conversations.json", at) as listed:
            columns = (
                _conversations.c.id,
                _conversations.c.kind,
                _conversations.c.group_name,
                _participants.c.joined_at,
            )
            joined = _participants.join(_conversations, _conversations.c.id == _participants.c.conversation_id)
            own = select(*columns).select_from(joined).where(_participants.c.account_id == account_id)
            for page in self._pages(own, _conversations.c.id):
                names: dict[str, list[str]] = {row.id: [] for row in page}
                with self._database.read_rows() as rows:
                    for person in conversation_rows.named(rows, list(names)):
                        names[person.conversation_id].append(person.name)
                for row in page:
                    listed.add({**_plain(row._mapping), "participants": names[row.id]})
        paths.folder(ATTACHMENTS)
        with draft.json_list("messages.json", at) as listed:
            own = select(_messages).where(_messages.c.sender_id == account_id, _messages.c.deleted_at.is_(None))
            for page in self._pages(own, _messages.c.id):
                checksums = self._checksums_of_attachments(account_id, page)
                for row in page:
                    listed.add(_message(row, self._add_attachment(draft, row, checksums.get(row.id), paths)))

    def _checksums_of_attachments(self, account_id: uuid.UUID, page: Sequence[Row[Any]]) -> Mapping[str, int | None]:
        attached = [row for row in page if row.filename is not None]
        lacking = [
            Late(Message, row.id, f"{row.id}/{row.filename}", row.length, row.sha256)
            for row in attached
            if row.crc32 is None
        ]
        return self._completed(_messages, {row.id: row.crc32 for row in attached}, account_id, lacking)

    def _completed(
        self, table: Any, known: dict[Any, int | None], account_id: uuid.UUID, lacking: Sequence[Late]
    ) -> Mapping[Any, int | None]:
        """What is known of some rows, after what is lacking was computed; None for what is damaged."""
        if not lacking:
            return known
        self._late.ensure(account_id, lacking)
        again = select(table.c.id, table.c.crc32).where(table.c.id.in_([each.id for each in lacking]))
        with self._database.read_rows() as rows:
            return {**known, **{row.id: row.crc32 for row in rows.execute(again)}}

    def _add_attachment(self, draft: ExportDraft, row: Row[Any], crc32: int | None, paths: ZipPaths) -> str | None:
        """The path of a message's attachment in the archive, None where there is none that can be read."""
        if row.filename is None or crc32 is None:
            return None
        path = paths.file(f"{ATTACHMENTS}/{row.id}", row.filename)
        modified_at = int(row.created_at.timestamp())
        draft.add(ZipMember(path, row.length, crc32, modified_at, pack(AttachmentSource(row.id))))
        return path

    def _write_folders(self, draft: ExportDraft, account_id: uuid.UUID, paths: ZipPaths) -> None:
        paths.folder(FILES)
        paths.folder(TRASH)
        own = select(_folders.c.path, _files.c.created_at).join(_files, _files.c.id == _folders.c.id)
        for page in self._pages(own.where(_folders.c.account_id == account_id), _folders.c.path):
            for row in page:
                whole = f"{FILES}/{row.path.removesuffix('/')}"
                if not paths.is_taken(safe_path(whole)):
                    draft.add(ZipMember(f"{paths.folder(whole)}/", 0, 0, int(row.created_at.timestamp())))

    def _write_files(self, draft: ExportDraft, account_id: uuid.UUID, at: datetime, paths: ZipPaths) -> None:
        columns = (
            _files.c.created_at, _files.c.id, file_rows.WHOLE_NAME.label("name"), _files.c.media_type, _files.c.length,
            _files.c.crc32, file_rows.DATE.label("completed_at"),
        )  # fmt: skip
        own = select(*columns).select_from(file_rows.in_folders(_files))
        own = own.where(_files.c.account_id == account_id, file_rows.is_complete)
        with draft.json_list("files.json", at) as listed:
            for page in self._pages(own, _files.c.created_at, _files.c.id):
                checksums = self._checksums_of_files(account_id, page)
                for row in page:
                    at_ = row.completed_at or row.created_at
                    path = _add_file(draft, FILES, row, checksums.get(row.id), at_, paths)
                    listed.add({**_file(row), "completed_at": format_second(at_), "path": path})

    def _checksums_of_files(self, account_id: uuid.UUID, page: Sequence[Row[Any]]) -> Mapping[uuid.UUID, int | None]:
        known = {row.id: row.crc32 for row in page}
        lacking = [row.id for row in page if row.crc32 is None]
        if not lacking:
            return known
        try:
            self._checksums.ensure(account_id, lacking)
        except ReadFailed:
            self._ensure_each(account_id, lacking)
        again = select(_files.c.id, _files.c.crc32).where(_files.c.id.in_(lacking))
        with self._database.read_rows() as rows:
            return {**known, **{row.id: row.crc32 for row in rows.execute(again)}}

    def _ensure_each(self, account_id: uuid.UUID, file_ids: Sequence[uuid.UUID]) -> None:
        """One of them is damaged: the others come all the same."""
        for file_id in file_ids:
            try:
                self._checksums.ensure(account_id, [file_id])
            except ReadFailed:
                continue

    def _write_trash(self, draft: ExportDraft, account_id: uuid.UUID, at: datetime, paths: ZipPaths) -> None:
        names = (
            "deleted_at",
            "id",
            "created_at",
            "name",
            "media_type",
            "length",
            "crc32",
            "sha256",
            "reason",
            "expires_at",
        )
        own = select(*(_trashed.c[name] for name in names)).where(_trashed.c.account_id == account_id)
        with draft.json_list("trash.json", at) as listed:
            for page in self._pages(own, _trashed.c.deleted_at, _trashed.c.id):
                lacking = [
                    Late(TrashedFile, row.id, row.id, row.length, row.sha256) for row in page if row.crc32 is None
                ]
                checksums = self._completed(_trashed, {row.id: row.crc32 for row in page}, account_id, lacking)
                for row in page:
                    path = _add_file(draft, TRASH, row, checksums.get(row.id), row.deleted_at, paths)
                    told = {"deleted_at": row.deleted_at, "expires_at": row.expires_at, "reason": row.reason}
                    listed.add({**_file(row), **_plain(told), "path": path})


def _add_file(
    draft: ExportDraft, root: str, row: Row[Any], crc32: int | None, at: datetime, paths: ZipPaths
) -> str | None:
    """The path of a file in the archive, None where it cannot be read."""
    if crc32 is None:
        return None
    folder, _, label = f"{root}/{row.name}".rpartition("/")
    path = paths.file(safe_path(folder), label)
    draft.add(ZipMember(path, row.length or 0, crc32, int(at.timestamp()), pack(FileSource(row.id))))
    return path


def _file(row: Row[Any]) -> dict[str, Any]:
    names = {"id": "file_id", "name": "filename", "media_type": "content_type", "length": "size"}
    return _plain({told: row._mapping[name] for name, told in names.items()} | {"created_at": row.created_at})


def _message(row: Row[Any], path: str | None) -> dict[str, Any]:
    attachment = None
    if row.filename is not None:
        attachment = {"name": row.filename, "content_type": row.media_type, "size": row.length, "path": path}
    names = ("id", "conversation_id", "type", "content", "reply_to", "created_at", "edited_at")
    return {**_plain({name: row._mapping[name] for name in names}), "attachment": attachment}


def _plain(values: Mapping[Any, Any]) -> dict[str, Any]:
    """The same as JSON has it."""
    return {str(name): _value(value) for name, value in values.items()}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_second(value)
    return str(value) if isinstance(value, uuid.UUID) else value
