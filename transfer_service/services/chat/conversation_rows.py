"""Conversations as values, and the prepared statements that make, change and read them."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, bindparam, func, insert, select, tuple_, update

from transfer_service.db.database import Executor
from transfer_service.models.accounts import Account
from transfer_service.models.chat import Conversation as ConversationRow
from transfer_service.models.chat import ConversationKind, Participant
from transfer_service.services.chat import message_rows, participant_rows
from transfer_service.services.chat.message_rows import Message, message_of

_accounts = Account.__table__
_conversations = ConversationRow.__table__
_participants = Participant.__table__

_with_owner = _conversations.outerjoin(_accounts, _accounts.c.id == _conversations.c.owner_id)
_select = select(_conversations, _accounts.c.name.label("owner"))
_BY_ID = _select.select_from(_with_owner).where(_conversations.c.id == bindparam("conversation_id"))
_active_at = func.coalesce(_conversations.c.last_message_at, _conversations.c.created_at)
_OF_ACCOUNT = (
    select(_conversations.c.id)
    .select_from(_participants.join(_conversations, _conversations.c.id == _participants.c.conversation_id))
    .where(_participants.c.account_id == bindparam("account_id"))
    .order_by(_active_at.desc(), _conversations.c.id.desc())
    .limit(bindparam("limit"))
)
_PAIR = select(_conversations.c.id).where(_conversations.c.pair_key == bindparam("pair_key"))
_INSERT = insert(_conversations)
_GIVE_AWAY = (
    update(_conversations)
    .where(_conversations.c.id == bindparam("conversation_id"))
    .values(owner_id=bindparam("to_owner_id"))
)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as its participants see it; their names are in the order of joining."""

    id: str
    kind: ConversationKind
    participants: tuple[str, ...]
    owner: str | None
    group_name: str | None
    created_at: datetime
    active_at: datetime
    last_message: Message | None
    pinned_message_ids: tuple[str, ...]


def pair_key(one: uuid.UUID, other: uuid.UUID) -> str:
    """What a dm of two accounts is known by, whoever begins it."""
    return ":".join(sorted((one.hex, other.hex)))


def find_pair(rows: Executor, key: str) -> str | None:
    """The dm of a pair."""
    return cast(str | None, rows.execute(_PAIR, {"pair_key": key}).scalar_one_or_none())


def insert_dm(rows: Executor, conversation_id: str, *, key: str, created_at: datetime) -> None:
    """Make a dm without participants. The database refuses a second one for the same pair (IntegrityError)."""
    values = {"id": conversation_id, "kind": ConversationKind.DM, "pair_key": key, "created_at": created_at}
    rows.execute(_INSERT, {**values, "group_name": None, "owner_id": None, "last_seq": 0})


def insert_group(
    rows: Executor, conversation_id: str, *, group_name: str, owner_id: uuid.UUID, created_at: datetime
) -> None:
    """Make a group without participants."""
    values = {"id": conversation_id, "kind": ConversationKind.GROUP, "pair_key": None, "created_at": created_at}
    rows.execute(_INSERT, {**values, "group_name": group_name, "owner_id": owner_id, "last_seq": 0})


def give_away(rows: Executor, conversation_id: str, *, owner_id: uuid.UUID | None) -> None:
    """Give a group another owner. The caller holds the lock."""
    rows.execute(_GIVE_AWAY, {"conversation_id": conversation_id, "to_owner_id": owner_id})


def get(rows: Executor, conversation_id: str) -> Conversation:
    """A conversation that is known to exist."""
    return _complete(rows, rows.execute(_BY_ID, {"conversation_id": conversation_id}).all())[0]


def newest_of(
    rows: Executor, account_id: uuid.UUID, *, limit: int, after: tuple[datetime, str] | None = None
) -> list[Conversation]:
    """The conversations of an account, the one with the newest message first; those behind `after`, if it is given."""
    newest = _OF_ACCOUNT  # of all there are only what they are sorted by is read
    if after is not None:
        newest = newest.where(tuple_(_active_at, _conversations.c.id) < tuple_(*after))
    statement = _select.select_from(_with_owner).where(_conversations.c.id.in_(newest))
    statement = statement.order_by(_active_at.desc(), _conversations.c.id.desc())
    return _complete(rows, rows.execute(statement, {"account_id": account_id, "limit": limit}).all())


def _complete(rows: Executor, found: Sequence[Row[Any]]) -> list[Conversation]:
    """Conversations with all that belongs to them: three more queries, however many there are."""
    ids = [row.id for row in found]
    people = _grouped(participant_rows.named(rows, ids))
    last = {row.conversation_id: row for row in message_rows.last_of(rows, ids)}
    pinned = _grouped(message_rows.pinned_of(rows, ids))
    return [
        Conversation(
            id=row.id,
            kind=row.kind,
            participants=tuple(person.name for person in people[row.id]),
            owner=row.owner,
            group_name=row.group_name,
            created_at=row.created_at,
            active_at=row.last_message_at or row.created_at,
            last_message=_last_message(last.get(row.id), people[row.id]),
            pinned_message_ids=tuple(message.id for message in pinned[row.id]),
        )
        for row in found
    ]


def _grouped(found: Iterable[Row[Any]]) -> dict[str, list[Row[Any]]]:
    groups = defaultdict(list)
    for row in found:
        groups[row.conversation_id].append(row)
    return groups


def _last_message(row: Row[Any] | None, people: Iterable[Row[Any]]) -> Message | None:
    if row is None:
        return None
    return message_of(row, [(person.account_id, person.read_seq) for person in people])
