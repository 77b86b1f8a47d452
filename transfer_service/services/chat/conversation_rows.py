"""Conversations as values, who is in them, and the prepared statements for both.

Whoever changes a conversation, its participants or its messages holds the lock on the conversation's row: `lock` takes
it, and so does taking the number of a new message. What `members` reads under it is still so at the commit.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, and_, bindparam, delete, func, insert, select, tuple_, update

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect
from transfer_service.errors import InvalidName, NotFound, NotParticipant
from transfer_service.models.accounts import Account
from transfer_service.models.chat import Conversation as ConversationRow
from transfer_service.models.chat import ConversationKind, Participant
from transfer_service.models.chat import Message as MessageRow
from transfer_service.services.chat import message_rows
from transfer_service.services.chat.message_rows import Message, Reads, message_of
from transfer_service.wire.filenames import parse_label

_accounts = Account.__table__
_conversations = ConversationRow.__table__
_participants = Participant.__table__
_messages = MessageRow.__table__

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


def lock_all_of(rows: Executor, message_ids: Sequence[str]) -> None:
    """Lock the conversations of some messages, in one order."""
    conversations = select(_messages.c.conversation_id).where(_messages.c.id.in_(message_ids))
    locked = select(_conversations.c.id).where(_conversations.c.id.in_(conversations)).order_by(_conversations.c.id)
    rows.execute(locked.with_for_update())


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
    people = _grouped(named(rows, ids))
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
