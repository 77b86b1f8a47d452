"""The rows of links, and what they give out: found anew each time, so that a link follows its files and folders."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, delete, func, insert, literal_column, or_, select

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.models.accounts import Account
from transfer_service.models.files import File, Folder
from transfer_service.models.links import Link, LinkFile, LinkFolder, LinkKind
from transfer_service.models.sharing import Allotment
from transfer_service.services.files.folder_rows import is_below
from transfer_service.wire.filenames import split_name

_links, _link_files, _link_folders = Link.__table__, LinkFile.__table__, LinkFolder.__table__
_accounts, _files, _folders = Account.__table__, File.__table__, Folder.__table__
_allotments = Allotment.__table__


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """A row of `links`; with what has arrived by it, which its allotment counts."""

    id: uuid.UUID
    account_id: uuid.UUID
    kind: LinkKind
    name: str | None
    token_hash: str
    sealed_token: str
    password_hash: str | None
    folder_id: uuid.UUID | None
    max_downloads: int | None
    downloads: int
    max_files: int | None
    max_bytes: int | None
    created_at: datetime
    expires_at: datetime
    received_files: int = 0
    received_bytes: int = 0

    @property
    def is_upload(self) -> bool:
        """Whether it is for whoever brings files."""
        return self.kind is LinkKind.UPLOAD

    @property
    def is_used_up(self) -> bool:
        """Whether no further download may begin."""
        return self.max_downloads is not None and self.downloads >= self.max_downloads


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file as a link shows it: with its last label, or its path from the label of a folder of the link on."""

    id: uuid.UUID
    name: str
    length: int
    media_type: str


_own = [each.name for each in fields(LinkRecord) if each.name in _links.c]
_received = (_allotments.c.received_files, _allotments.c.received_bytes)
_columns = [*(_links.c[name] for name in _own), *(func.coalesce(each, 0).label(each.name) for each in _received)]
_allotted = _links.outerjoin(_allotments, _allotments.c.id == _links.c.id)
_FIND = PreparedSelect(
    select(*_columns)
    .select_from(_allotted.join(_accounts, _accounts.c.id == _links.c.account_id))
    .where(_links.c.token_hash == bindparam("token_hash"), _accounts.c.disabled_at.is_(None))
)
_OWN = PreparedSelect(
    select(*_columns)
    .select_from(_allotted)
    .where(_links.c.id == bindparam("link_id"), _links.c.account_id == bindparam("account_id"))
)
_REMOVE = PreparedWrite(
    delete(_links)
    .where(_links.c.id == bindparam("link_id"), _links.c.account_id == bindparam("account_id"))
    .returning(_links.c.kind, _links.c.name)
)
_of_link = _link_files.c.link_id == bindparam("link_id")
_is_complete = and_(_files.c.state == literal_column("'complete'"), _files.c.holds_name)
_FILES = PreparedSelect(
    select(_files.c.id, _files.c.name, _files.c.length, _files.c.media_type)
    .select_from(_link_files.join(_files, _files.c.id == _link_files.c.file_id))
    .where(_of_link, _is_complete, _files.c.account_id == bindparam("account_id"))
    .order_by(_link_files.c.position)
)
_FOLDERS = PreparedSelect(
    select(_folders.c.id, _folders.c.path)
    .select_from(_link_folders.join(_folders, _folders.c.id == _link_folders.c.folder_id))
    .where(_link_folders.c.link_id == bindparam("link_id"), _folders.c.account_id == bindparam("account_id"))
    .order_by(_link_folders.c.position)
)
_FOLDER = PreparedSelect(
    select(_folders.c.path).where(
        _folders.c.id == bindparam("folder_id"), _folders.c.account_id == bindparam("account_id")
    )
)
_HAS_FILE = PreparedSelect(select(_link_files.c.file_id).where(_of_link, _link_files.c.file_id == bindparam("file_id")))
_HAS_ANY_FILE = PreparedSelect(
    select(_files.c.id)
    .select_from(_link_files.join(_files, _files.c.id == _link_files.c.file_id))
    .where(_of_link, _is_complete, _files.c.account_id == bindparam("account_id"))
    .limit(1)
)


def find(rows: Executor, token_hash: str) -> LinkRecord | None:
    """The link of that token, unless its account is disabled."""
    row = _FIND.find(rows, {"token_hash": token_hash})
    return LinkRecord(*row) if row is not None else None


def find_own(rows: Executor, account_id: uuid.UUID, link_id: uuid.UUID) -> LinkRecord | None:
    """The account's link of that id."""
    row = _OWN.find(rows, {"link_id": link_id, "account_id": account_id})
    return LinkRecord(*row) if row is not None else None


def find_page(
    rows: Executor, account_id: uuid.UUID, *, limit: int, after: tuple[datetime, uuid.UUID] | None
) -> list[LinkRecord]:
    """The account's links, the newest first, behind a place in that order."""
    return [LinkRecord(*row) for row in rows.execute(page_statement(account_id, limit=limit, after=after))]


def page_statement(account_id: uuid.UUID, *, limit: int, after: tuple[datetime, uuid.UUID] | None) -> Select[Any]:
    """What `find_page` asks. The first comparison is what the index can jump to."""
    statement = select(*_columns).select_from(_allotted).where(_links.c.account_id == account_id)
    if after is not None:
        at, link_id = after
        statement = statement.where(_links.c.created_at <= at, or_(_links.c.created_at < at, _links.c.id < link_id))
    return statement.order_by(_links.c.created_at.desc(), _links.c.id.desc()).limit(limit)


def add(rows: Executor, link: LinkRecord, file_ids: Sequence[uuid.UUID], folder_ids: Sequence[uuid.UUID]) -> None:
    """Insert a link and what it gives out."""
    rows.execute(insert(_links), {name: getattr(link, name) for name in _own})
    for table, column, ids in ((_link_files, "file_id", file_ids), (_link_folders, "folder_id", folder_ids)):
        if ids:
            rows.execute(
                insert(table),
                [{"link_id": link.id, column: each, "position": position} for position, each in enumerate(ids)],
            )


def remove(rows: Executor, account_id: uuid.UUID, link_id: uuid.UUID) -> Any | None:
    """Delete a link and all that hangs on it. Its `kind` and `name`, None where it was not there."""
    return _REMOVE.find(rows, {"link_id": link_id, "account_id": account_id})


def find_folder_path(rows: Executor, link: LinkRecord) -> str | None:
    """The path of the folder that an upload link fills, without the `/` behind it; None where it is gone."""
    row = _FOLDER.find(rows, {"folder_id": link.folder_id, "account_id": link.account_id})
    return None if row is None else row.path.removesuffix("/")


def is_empty(rows: Executor, link: LinkRecord) -> bool:
    """Whether the last folder and the last file of a link for downloads are gone."""
    of_link = {"link_id": link.id, "account_id": link.account_id}
    return _HAS_ANY_FILE.find(rows, of_link) is None and _FOLDERS.find(rows, of_link) is None


def find_folders(rows: Executor, link: LinkRecord) -> list[tuple[uuid.UUID, str]]:
    """Ids and paths of the folders of a link that are still there, without the `/` behind them."""
    found = _FOLDERS.find_all(rows, {"link_id": link.id, "account_id": link.account_id})
    return [(each.id, each.path.removesuffix("/")) for each in found]


def find_file_ids(rows: Executor, link: LinkRecord) -> list[uuid.UUID]:
    """The files that a link names itself, as far as they are there."""
    return [each.id for each in _FILES.find_all(rows, {"link_id": link.id, "account_id": link.account_id})]


def find_contents(rows: Executor, link: LinkRecord, *, limit: int) -> list[SharedFile]:
    """What a link shows right now: its files, then what lies in its folders, by name. Each file once."""
    found: dict[uuid.UUID, SharedFile] = {}
    for row in _FILES.find_all(rows, {"link_id": link.id, "account_id": link.account_id}):
        found[row.id] = SharedFile(*row)
    for _, path in find_folders(rows, link):
        if len(found) >= limit:
            break
        above = len(split_name(path)[0])
        for folder, row in _files_below(rows, link.account_id, path, limit=limit):
            name = f"{folder}{row.name}"[above + 1 if above else 0 :]
            found.setdefault(row.id, SharedFile(row.id, name, row.length, row.media_type))
    return list(found.values())[:limit]


def _files_below(rows: Executor, account_id: uuid.UUID, path: str, *, limit: int) -> list[tuple[str, Any]]:
    statement: Select[Any] = (
        select(_folders.c.path, _files.c.id, _files.c.name, _files.c.length, _files.c.media_type)
        .select_from(_folders.join(_files, _files.c.folder_id == _folders.c.id))
        .where(_folders.c.account_id == account_id, is_below(path), _is_complete)
        .order_by(_folders.c.path, _files.c.name)
        .limit(limit)
    )
    return [(row.path, row) for row in rows.execute(statement)]


def has_file(rows: Executor, link: LinkRecord, file_id: uuid.UUID, name: str) -> bool:
    """Whether a file of the link's account, with this whole name, is one that the link gives out."""
    if _HAS_FILE.find(rows, {"link_id": link.id, "file_id": file_id}) is not None:
        return True
    return any(name.startswith(f"{path}/") for _, path in find_folders(rows, link))
