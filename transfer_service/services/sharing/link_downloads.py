"""How often something of a link has been downloaded: whole transfers, not ranges.

Whoever begins is counted by one UPDATE whose condition is the limit, so no number of requests at any number of
instances gets more than that. Each download lets its client have twice the size of what it is of, so that ranges which
broke off can be asked for again: nobody knows what has arrived. A range that still fits is one of a download that was
begun, all else begins another. Bytes are counted before they are sent, and given back if they are not.

Locks: the row of the link, then that of the transfer. A range that fits takes the latter alone.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, bindparam, insert, or_, select, update

from transfer_service.db.database import Executor, run_again
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.errors import LinkGone
from transfer_service.models.base import UtcDateTime
from transfer_service.models.links import Link, LinkTransfer
from transfer_service.services.core import Core
from transfer_service.services.events import audit, facts
from transfer_service.services.sharing.link_rows import LinkRecord

TIMES_ITS_SIZE = 2
_links, _transfers = Link.__table__, LinkTransfer.__table__


@dataclass(frozen=True, slots=True)
class Subject:
    """What a client downloads: a file of a link, or all of it (then `id` is the link's), which has `size` bytes.

    `filename` is the file's whole name.
    """

    link: LinkRecord
    client: str
    id: uuid.UUID
    size: int
    filename: str | None = None

    @property
    def key(self) -> dict[str, Any]:
        """Where its row is."""
        return {"of_link": self.link.id, "of_client": self.client, "of_subject": self.id}


@dataclass(frozen=True, slots=True)
class Granted:
    """Bytes that may be sent: so many are counted, and with them one download, if they begin one.

    Then `activity_id` is what the audit log tells of it.
    """

    subject: Subject
    counted_bytes: int
    activity_id: int | None = None

    @property
    def is_beginning(self) -> bool:
        """Whether they begin a download."""
        return self.activity_id is not None


def _number(name: str) -> Any:
    return bindparam(name, type_=BigInteger)


_more, _allowance = _number("more"), _number("allowance")
_now = bindparam("now", type_=UtcDateTime)
_is_link = _links.c.id == bindparam("of_link")
_is_transfer = (
    (_transfers.c.link_id == bindparam("of_link"))
    & (_transfers.c.client == bindparam("of_client"))
    & (_transfers.c.subject_id == bindparam("of_subject"))
)
_LOCK = PreparedSelect(select(_links.c.id).where(_is_link).with_for_update())
_BEGIN = PreparedWrite(
    update(_links)
    .where(
        _is_link,
        _links.c.expires_at > _now,
        or_(_links.c.max_downloads.is_(None), _links.c.downloads < _links.c.max_downloads),
    )
    .values(downloads=_links.c.downloads + 1)
)
_UNDO = PreparedWrite(update(_links).where(_is_link).values(downloads=_links.c.downloads - 1))
_sent = _transfers.c.sent_bytes + _more
_CONTINUE = PreparedWrite(
    update(_transfers)
    .where(_is_transfer, _sent <= _transfers.c.allowed_bytes)
    .values(sent_bytes=_sent, updated_at=_now)
)
_ADD_TO = PreparedWrite(
    update(_transfers)
    .where(_is_transfer)
    .values(sent_bytes=_sent, allowed_bytes=_transfers.c.allowed_bytes + _allowance, updated_at=_now)
)
_INSERT = PreparedWrite(insert(_transfers))
_GIVE_BACK = PreparedWrite(update(_transfers).where(_is_transfer).values(sent_bytes=_sent))
_TAKE_BACK = PreparedWrite(
    update(_transfers)
    .where(_is_transfer, _sent <= _transfers.c.allowed_bytes - _allowance)
    .values(sent_bytes=_sent, allowed_bytes=_transfers.c.allowed_bytes - _allowance)
)
_LEFT = PreparedSelect(
    select(_transfers.c.subject_id).where(_is_transfer, _transfers.c.sent_bytes < _transfers.c.allowed_bytes)
)


class LinkDownloads:
    """Counts what is sent of links."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._now = core.now

    def is_under_way(self, link: LinkRecord, client: str, subject_id: uuid.UUID) -> bool:
        """Whether a client has begun a download of something and may ask for more of it."""
        key = {"of_link": link.id, "of_client": client, "of_subject": subject_id}
        with self._database.read_rows() as rows:
            return _LEFT.find(rows, key) is not None

    @run_again
    def begin(self, subject: Subject, size: int, *, is_range: bool) -> Granted:
        """Count that `size` bytes are going to be sent. Raises LinkGone where the link is used up, or has ended."""
        values = {**subject.key, "more": size, "now": self._now()}
        with self._database.write_rows() as rows:
            if is_range and _CONTINUE.run(rows, values):
                return Granted(subject, size)
            if _LOCK.find(rows, values) is None:
                raise LinkGone
            # Its first ranges may come at once: then one of them has begun meanwhile.
            if is_range and _CONTINUE.run(rows, values):
                return Granted(subject, size)
            if not _BEGIN.run(rows, values):
                raise LinkGone
            self._allow(rows, values, subject)
            activity_id = self._tell(rows, subject, at=values["now"])
        return Granted(subject, size, activity_id)

    @staticmethod
    def _tell(rows: Executor, subject: Subject, *, at: datetime) -> int:
        link = subject.link
        file = None if subject.filename is None else (subject.id, subject.filename)
        return facts.link_downloaded(rows, link_id=link.id, account_id=link.account_id, file=file, at=at)

    def _allow(self, rows: Executor, values: dict[str, Any], subject: Subject) -> None:
        allowance = TIMES_ITS_SIZE * subject.size
        if _ADD_TO.run(rows, {**values, "allowance": allowance}):
            return
        _INSERT.run(
            rows,
            {
                "link_id": subject.link.id,
                "client": subject.client,
                "subject_id": subject.id,
                "allowed_bytes": allowance,
                "sent_bytes": values["more"],
                "updated_at": values["now"],
            },
        )

    def end(self, granted: Granted, sent_bytes: int) -> None:
        """Of what was granted no more than `sent_bytes` have been sent. Where that is none, nothing has begun."""
        if granted.is_beginning and sent_bytes == 0 and granted.counted_bytes and self._undo(granted):
            return
        if sent_bytes < granted.counted_bytes:
            self._give_back(granted, sent_bytes)

    @run_again
    def _undo(self, granted: Granted) -> bool:
        """Count a download no more of which nothing was sent. False where others have gone on with it."""
        subject = granted.subject
        allowance = TIMES_ITS_SIZE * subject.size
        values = {**subject.key, "more": -granted.counted_bytes, "allowance": allowance}
        with self._database.write_rows() as rows:
            if _LOCK.find(rows, values) is None:
                return True
            is_unused = bool(_TAKE_BACK.run(rows, values))
            if is_unused:
                _UNDO.run(rows, values)
                if granted.activity_id is not None:
                    audit.take_back(rows, granted.activity_id)
            return is_unused

    @run_again
    def _give_back(self, granted: Granted, sent_bytes: int) -> None:
        with self._database.write_rows() as rows:
            _GIVE_BACK.run(rows, {**granted.subject.key, "more": sent_bytes - granted.counted_bytes})
