"""Prepared statements on who is in a conversation: every chat request asks, so they are built once.

Whoever changes a conversation, its participants or its messages holds the lock on the conversation's row: `lock` takes
it, and so does taking the number of a new message. What `members` reads under it is still so at the commit.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, func, insert, select, update

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect
from transfer_service.errors import InvalidName, NotFound, NotParticipant
from transfer_service.models.accounts import Account
from transfer_service.models.chat import Conversation, ConversationKind, Participant
from transfer_service.wire.filenames import parse_label

_accounts = Account.__table__
_conversations = Conversation.__table__
_participants = Participant.__table__

_is_conversation = _conversations.c.id == bindparam("of_conversation")
_of_conversation = _participants.c.conversation_id == bindparam("of_conversation")
_of_account = _participants.c.account_id == bindparam("of_account")

_ACCESS = (
    select(_participants.c.account_id)
    .select_from(
        _conversations.outerjoin(
            _participants, and_(_participants.c.conversation_id == _conversations.c.id, _of_account)
        )
    )
    .where(_is_conversation)
)
_LOCK = select(_conversations).where(_is_conversation).with_for_update()
_OWN_NAME = select(_accounts.c.name).where(_accounts.c.id == bindparam("of_account")).scalar_subquery()
_READS = select(_participants.c.account_id, _participants.c.read_seq)
_MEMBERS = PreparedSelect(_READS.add_columns(_OWN_NAME.label("own_name")).where(_of_conversation))
_LOWEST_READS = _READS.where(_of_conversation).order_by(_participants.c.read_seq).limit(2)
_NAMED = (
    select(_participants, _accounts.c.name)
    .select_from(_participants.join(_accounts, _accounts.c.id == _participants.c.account_id))
    .where(_participants.c.conversation_id.in_(bindparam("conversation_ids", expanding=True)))
    .order_by(_participants.c.conversation_id, _participants.c.position)
)
_IDS = select(_participants.c.account_id).where(_of_conversation)
_LAST_POSITION = select(func.max(_participants.c.position)).where(_of_conversation)
_JOIN = insert(_participants)
_LEAVE = delete(_participants).where(_of_conversation, _of_account)
_READ = update(_participants).where(_of_conversation, _of_account).values(read_seq=bindparam("to_seq"))
_ACCOUNTS = select(_accounts.c.id, _accounts.c.name).where(_accounts.c.name.in_(bindparam("names", expanding=True)))

Reads = Sequence[tuple[uuid.UUID, int]]
"""Participants, each with the number of the newest message that it has read."""


@dataclass(frozen=True, slots=True)
class Locked:
    """What a transaction that holds the conversation's lock knows about it."""

    kind: ConversationKind
    owner_id: uuid.UUID | None
    last_seq: int


@dataclass(frozen=True, slots=True)
class Members:
    """The participants as one of them sees them; `name` is the name of that one."""

    name: str
    reads: Reads

    @property
    def account_ids(self) -> tuple[uuid.UUID, ...]:
        """Everybody who is in the conversation."""
        return tuple(account_id for account_id, _seq in self.reads)


def require(rows: Executor, conversation_id: str, account_id: uuid.UUID) -> None:
    """Raises NotFound where there is no such conversation, NotParticipant where the account is not in it."""
    found = rows.execute(_ACCESS, {"of_conversation": conversation_id, "of_account": account_id}).one_or_none()
    if found is None:
        raise NotFound("Conversation not found")
    if found.account_id is None:
        raise NotParticipant


def lock(rows: Executor, conversation_id: str) -> Locked:
    """Keep everybody else from changing the conversation until the transaction ends. Raises NotFound."""
    row = rows.execute(_LOCK, {"of_conversation": conversation_id}).one_or_none()
    if row is None:
        raise NotFound("Conversation not found")
    return Locked(kind=row.kind, owner_id=row.owner_id, last_seq=row.last_seq)


def members(rows: Executor, conversation_id: str, account_id: uuid.UUID) -> Members:
    """Who is in the conversation, under its lock. Raises NotParticipant where the account is not."""
    found = _MEMBERS.find_all(rows, {"of_conversation": conversation_id, "of_account": account_id})
    reads = [(row.account_id, row.read_seq) for row in found]
    if not any(member_id == account_id for member_id, _seq in reads):
        raise NotParticipant
    return Members(name=found[0].own_name, reads=reads)


def lowest_reads(rows: Executor, conversation_id: str) -> Reads:
    """The two who have read least: enough to tell whether everybody but one has read a message."""
    found = rows.execute(_LOWEST_READS, {"of_conversation": conversation_id})
    return [(row.account_id, row.read_seq) for row in found]


def named(rows: Executor, conversation_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """The participants of some conversations with their names, in the order of joining."""
    return rows.execute(_NAMED, {"conversation_ids": conversation_ids}).all()


def account_ids(rows: Executor, conversation_id: str) -> tuple[uuid.UUID, ...]:
    """Everybody who is in the conversation."""
    return tuple(rows.execute(_IDS, {"of_conversation": conversation_id}).scalars())


def join(
    rows: Executor, conversation_id: str, joining: Iterable[uuid.UUID], *, read_seq: int, joined_at: datetime
) -> None:
    """Let accounts that are not in the conversation in, behind those who are. The caller holds the lock."""
    last = rows.execute(_LAST_POSITION, {"of_conversation": conversation_id}).scalar_one() or 0
    common = {"conversation_id": conversation_id, "read_seq": read_seq, "joined_at": joined_at}
    values = [
        {**common, "account_id": account_id, "position": position}
        for position, account_id in enumerate(joining, last + 1)
    ]
    if values:
        rows.execute(_JOIN, values)


def leave(rows: Executor, conversation_id: str, account_id: uuid.UUID) -> None:
    """Take an account out of the conversation. The caller holds the lock."""
    rows.execute(_LEAVE, {"of_conversation": conversation_id, "of_account": account_id})


def mark_read(rows: Executor, conversation_id: str, account_id: uuid.UUID, *, seq: int) -> None:
    """Record that the account has read everything up to `seq`. The caller holds the lock."""
    rows.execute(_READ, {"of_conversation": conversation_id, "of_account": account_id, "to_seq": seq})


def get_accounts(rows: Executor, names: Iterable[str]) -> list[uuid.UUID]:
    """The ids of the accounts of these names, each once. Raises NotFound for an unknown one."""
    wanted = list(dict.fromkeys(map(_account_name, names)))
    found = {row.name: row.id for row in rows.execute(_ACCOUNTS, {"names": wanted})}
    for name in wanted:
        if name not in found:
            raise NotFound(f"Account {name} not found")
    return [found[name] for name in wanted]


def _account_name(value: str) -> str:
    try:
        return parse_label(value)
    except InvalidName as error:  # nobody can have it
        raise NotFound("Account not found") from error
