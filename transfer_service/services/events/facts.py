"""Facts that more than the audit log must hear of: a row of the log, and what webhooks are told, in one call.

Each is called in the transaction of the fact. What leaves no row in the log says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from transfer_service.db.prepared import PreparedSelect
from transfer_service.models.links import Link
from transfer_service.services.events.actions import Action
from transfer_service.services.events.actors import NOBODY, Actor
from transfer_service.services.events.audit import actor_for, name_of, record, record_known
from transfer_service.services.events.outbox import publish
from transfer_service.wire.webhooks import Event

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping
    from datetime import datetime

    from transfer_service.db.database import Executor
    from transfer_service.services.files.rows import FileRecord

_links = Link.__table__
_LINK = PreparedSelect(select(_links.c.id).where(_links.c.id == bindparam("link_id")))


def file_completed(rows: Executor, file: FileRecord, *, at: datetime, replaced_id: uuid.UUID | None = None) -> None:
    """A file is whole, under its name, in place of another one where that is `replaced_id`."""
    actor = actor_for(file.account_id)
    details = {"filename": file.name, "size": file.length, "sha256": file.sha256}
    if replaced_id is not None:
        details["replaced"] = str(replaced_id)
    link_id = _link_of(rows, file)
    if link_id is not None:
        details["link_id"] = str(link_id)
    record(rows, Action.FILE_UPLOADED, file.id, details, at=at, actor=actor)
    data = _file_data(rows, file)
    publish(rows, Event.FILE_COMPLETED, account_id=file.account_id, subject=str(file.id), data=data, at=at)
    if link_id is not None:
        received = {"link_id": str(link_id), "file_id": str(file.id), "filename": file.name}
        publish(rows, Event.LINK_RECEIVED, account_id=file.account_id, subject=str(file.id), data=received, at=at)


def _link_of(rows: Executor, file: FileRecord) -> uuid.UUID | None:
    """The upload link by which a file has come. Keys with a quota are origins too."""
    if file.origin_id is None or _LINK.find(rows, {"link_id": file.origin_id}) is None:
        return None
    return file.origin_id


def _file_data(rows: Executor, file: FileRecord) -> dict[str, Any]:
    return {
        "file_id": str(file.id),
        "filename": file.name,
        "size": file.length,
        "content_type": file.media_type,
        "sha256": file.sha256,
        "account": name_of(rows, actor_for(file.account_id)),
    }


def file_deleted(rows: Executor, file: FileRecord, *, at: datetime, is_permanent: bool) -> None:
    """Somebody has deleted a finished file: it is gone, and in the trash unless that `is_permanent`."""
    details = {"filename": file.name, "size": file.length, "sha256": file.sha256, "permanent": is_permanent}
    record(rows, Action.FILE_DELETED, file.id, details, at=at)
    file_replaced(rows, file, at=at)


def file_lost(rows: Executor, file: FileRecord, *, at: datetime) -> None:
    """A power loss has taken bytes of a file that was finished: it is gone, and nobody has asked for that."""
    details = {"filename": file.name, "size": file.length, "sha256": file.sha256, "lost": True}
    record(rows, Action.FILE_DELETED, file.id, details, at=at, actor=NOBODY)
    file_replaced(rows, file, at=at)


def file_attached(rows: Executor, file: FileRecord, *, conversation_id: str, message_id: str, at: datetime) -> None:
    """A file has left its account's files, because it has become the attachment of a message. Webhooks: deleted."""
    details = {"filename": file.name, "size": file.length, "sha256": file.sha256}
    where = {"conversation_id": conversation_id, "message_id": message_id}
    record(rows, Action.FILE_ATTACHED, file.id, {**details, **where}, at=at)
    file_replaced(rows, file, at=at)


def file_replaced(rows: Executor, file: FileRecord, *, at: datetime) -> None:
    """A finished file has given way to another one: for webhooks it is deleted. The log tells it of the other one."""
    data = _file_data(rows, file)
    publish(rows, Event.FILE_DELETED, account_id=file.account_id, subject=str(file.id), data=data, at=at)


def upload_cancelled(rows: Executor, file: FileRecord, *, at: datetime, is_stale: bool = False) -> None:
    """An unfinished file is gone with what had arrived of it; one that `is_stale` because it has rested too long.

    Webhooks never heard of it.
    """
    details: dict[str, Any] = {"filename": file.name, "size": file.length, "received_bytes": file.received_bytes}
    record(rows, Action.UPLOAD_CANCELLED, file.id, {**details, **({"stale": True} if is_stale else {})}, at=at)


def message_created(
    rows: Executor, *, account_id: uuid.UUID, conversation_id: str, data: Mapping[str, Any], at: datetime
) -> None:
    """Somebody has said something; `data` is the message as clients see it. The log tells nothing of messages."""
    publish(rows, Event.MESSAGE_CREATED, account_id=account_id, subject=conversation_id, data=data, at=at)


def download_started(
    rows: Executor, game_id: uuid.UUID, details: Mapping[str, Any], *, at: datetime, actor: Actor
) -> None:
    """A remote download was begun. Webhooks hear of its end."""
    record(rows, Action.DOWNLOAD_STARTED, game_id, details, at=at, actor=actor)


def download_cancelled(
    rows: Executor, game_id: uuid.UUID, details: Mapping[str, Any], *, at: datetime, actor: Actor
) -> None:
    """A remote download was cancelled. Webhooks are not told: whoever did it knows."""
    record(rows, Action.DOWNLOAD_CANCELLED, game_id, details, at=at, actor=actor)


def download_completed(
    rows: Executor, game_id: uuid.UUID, details: Mapping[str, Any], *, at: datetime, actor: Actor
) -> None:
    """A remote download is whole, and may be played."""
    record(rows, Action.DOWNLOAD_COMPLETED, game_id, details, at=at, actor=actor)
    _tell_download(rows, Event.DOWNLOAD_COMPLETED, game_id, details, at=at, actor=actor)


def download_failed(
    rows: Executor, game_id: uuid.UUID, details: Mapping[str, Any], *, at: datetime, actor: Actor
) -> None:
    """A remote download has come to its end without an archive; `details` say why (`error`)."""
    record(rows, Action.DOWNLOAD_FAILED, game_id, details, at=at, actor=actor)
    _tell_download(rows, Event.DOWNLOAD_FAILED, game_id, details, at=at, actor=actor)


def _tell_download(
    rows: Executor, event: Event, game_id: uuid.UUID, details: Mapping[str, Any], *, at: datetime, actor: Actor
) -> None:
    data = {"gameId": str(game_id), "gameDataId": details["gameDataId"]}
    if "error" in details:
        data["error"] = details["error"]
    publish(rows, event, account_id=actor.account_id, subject=str(game_id), data=data, at=at)


def link_downloaded(
    rows: Executor, *, link_id: uuid.UUID, account_id: uuid.UUID, file: tuple[uuid.UUID, str] | None, at: datetime
) -> int:
    """A download of a link was counted: of the `file` of that id and name, or of all as a ZIP.

    It is the link's owner who gives it out, at the address of whoever asks. What comes back is for `audit.take_back`,
    where nothing was sent in the end and the download does not count.
    """
    details = {} if file is None else {"file_id": str(file[0]), "filename": file[1]}
    data = {"link_id": str(link_id), "file_id": None, "filename": None, **details}
    activity_id = record_known(rows, Action.LINK_DOWNLOADED, link_id, details, at)
    subject = str(link_id if file is None else file[0])
    publish(rows, Event.LINK_DOWNLOADED, account_id=account_id, subject=subject, data=data, at=at)
    return activity_id
