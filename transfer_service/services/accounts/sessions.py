"""Sign-ins as the account that they belong to sees them, and ends them one by one."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, or_, select

from transfer_service.db.prepared import PreparedSelect
from transfer_service.errors import NotFound
from transfer_service.models.accounts import SignIn
from transfer_service.models.base import UtcDateTime
from transfer_service.services.accounts.sign_ins import SignInService
from transfer_service.services.core import Core
from transfer_service.services.events.actions import Action

_sign_ins = SignIn.__table__
_SHOWN = (
    _sign_ins.c.id, _sign_ins.c.created_at, func.coalesce(_sign_ins.c.renewed_at, _sign_ins.c.created_at),
    _sign_ins.c.ip_address, _sign_ins.c.user_agent,
)  # fmt: skip


def _counts(now: Any) -> tuple[ColumnElement[bool], ...]:
    """What is true of a sign-in as long as a token of it may be used."""
    return _sign_ins.c.revoked_at.is_(None), _sign_ins.c.expires_at > now


_OWN = PreparedSelect(
    select(_sign_ins.c.id).where(
        _sign_ins.c.id == bindparam("id"),
        _sign_ins.c.account_id == bindparam("account_id"),
        *_counts(bindparam("now", type_=UtcDateTime)),
    )
)


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A sign-in. `renewed_at` is when it got new tokens last, or its first ones."""

    id: uuid.UUID
    created_at: datetime
    renewed_at: datetime
    ip_address: str | None
    user_agent: str | None


class Sessions:
    """Lists and ends the sign-ins of an account that still count."""

    def __init__(self, core: Core, *, sign_ins: SignInService) -> None:
        self._database = core.database
        self._now = core.now
        self._sign_ins = sign_ins

    def list_own(self, account_id: uuid.UUID, *, limit: int, after: tuple[Any, ...] | None) -> list[SessionRecord]:
        """Those behind a place, the newest first."""
        statement = select(*_SHOWN).where(_sign_ins.c.account_id == account_id, *_counts(self._now()))
        if after is not None:
            at, session_id = after
            is_behind = or_(_sign_ins.c.created_at < at, _sign_ins.c.id < session_id)
            statement = statement.where(_sign_ins.c.created_at <= at, is_behind)
        ordered = statement.order_by(_sign_ins.c.created_at.desc(), _sign_ins.c.id.desc()).limit(limit)
        with self._database.read_rows() as rows:
            return [SessionRecord(*row) for row in rows.execute(ordered)]

    def end(self, account_id: uuid.UUID, session_id: uuid.UUID) -> None:
        """End one at once, with all its tokens and sockets. Raises NotFound for what is none of the account's."""
        asked = {"account_id": account_id, "id": session_id, "now": self._now()}
        with self._database.read_rows() as rows:
            is_own = _OWN.find(rows, asked) is not None
        if not is_own or not self._sign_ins.end(session_id, Action.ACCOUNT_SESSION_ENDED):
            raise NotFound("Session not found")
