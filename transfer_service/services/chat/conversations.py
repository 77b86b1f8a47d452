"""Conversations: who talks with whom, and who may change that (section 8 of the contract)."""

import unicodedata
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from transfer_service.db.database import Executor
from transfer_service.errors import Forbidden, InvalidRequest, NotFound, NotParticipant
from transfer_service.models.chat import ConversationKind
from transfer_service.services.chat import conversation_rows
from transfer_service.services.chat.conversation_rows import Conversation
from transfer_service.services.core import Core
from transfer_service.services.events.actions import Action
from transfer_service.services.events.audit import record
from transfer_service.wire.chat import new_chat_id, parse_account_name, parse_account_names, parse_group_name

MAX_PARTICIPANTS = 1000
MAX_LISTED = 1000


class ConversationService:
    """Begins, lists and populates conversations. Ids that come from clients go through `parse_chat_id` first."""

    def __init__(self, core: Core, *, make_id: Callable[[datetime], str] = new_chat_id) -> None:
        self._database = core.database
        self._now = core.now
        self._make_id = make_id

    def create_direct(self, account_id: uuid.UUID, other_name: object) -> tuple[str, bool]:
        """The dm of two accounts, with both of them in it, and whether there was one already.

        Raises NotFound for an unknown name, InvalidRequest for one's own.
        """
        with self._database.read_rows() as rows:
            (other_id,) = conversation_rows.get_accounts(rows, [parse_account_name(other_name)])
            if other_id == account_id:
                raise InvalidRequest("You cannot start a conversation with yourself")
            key = conversation_rows.pair_key(account_id, other_id)
            existing = conversation_rows.find_pair(rows, key)
        if existing is None:
            try:
                return self._begin_direct(key, (account_id, other_id)), False
            except IntegrityError:  # the other one, or another request of the same one, was faster
                existing = self._get_pair(key)
        self._bring_back(existing, (account_id, other_id))
        return existing, True

    def _begin_direct(self, key: str, pair: Sequence[uuid.UUID]) -> str:
        now = self._now()
        conversation_id = self._make_id(now)
        with self._database.write_rows() as rows:
            conversation_rows.insert_dm(rows, conversation_id, key=key, created_at=now)
            conversation_rows.join(rows, conversation_id, pair, read_seq=0, joined_at=now)
            _tell_beginning(rows, conversation_id, ConversationKind.DM, at=now)
        return conversation_id

    def _get_pair(self, key: str) -> str:
        with self._database.read_rows() as rows:
            found = conversation_rows.find_pair(rows, key)
        if found is None:
            raise NotFound("Conversation not found")
        return found

    def _bring_back(self, conversation_id: str, pair: Sequence[uuid.UUID]) -> None:
        """Let whoever has left a dm in again."""
        if set(pair) <= set(self.participant_ids(conversation_id)):
            return
        with self._database.write_rows() as rows:
            last_seq = conversation_rows.lock(rows, conversation_id).last_seq
            present = conversation_rows.account_ids(rows, conversation_id)
            gone = [account_id for account_id in pair if account_id not in present]
            now = self._now()
            conversation_rows.join(rows, conversation_id, gone, read_seq=last_seq, joined_at=now)
            named = conversation_rows.named(rows, [conversation_id])
            for name in (person.name for person in named if person.account_id in gone):
                record(rows, Action.CONVERSATION_JOINED, conversation_id, {"participant": name}, at=now)

    def create_group(self, account_id: uuid.UUID, group_name: object, names: object) -> str:
        """A group of the account, which owns it, and of others. Raises InvalidRequest, NotFound for an unknown name."""
        group_name, others = parse_group_name(group_name), parse_account_names(names)
        _check_size(len(others))  # before they are looked up
        with self._database.read_rows() as rows:
            other_ids = conversation_rows.get_accounts(rows, others)
        joining = list(dict.fromkeys([account_id, *other_ids]))
        _check_size(len(joining))
        now = self._now()
        conversation_id = self._make_id(now)
        with self._database.write_rows() as rows:
            conversation_rows.insert_group(
                rows, conversation_id, group_name=group_name, owner_id=account_id, created_at=now
            )
            conversation_rows.join(rows, conversation_id, joining, read_seq=0, joined_at=now)
            _tell_beginning(rows, conversation_id, ConversationKind.GROUP, at=now, group_name=group_name)
        return conversation_id

    def get_info(self, account_id: uuid.UUID, conversation_id: str) -> Conversation:
        """One conversation. Raises NotFound, NotParticipant."""
        with self._database.read_rows() as rows:
            conversation_rows.require(rows, conversation_id, account_id)
            return conversation_rows.get(rows, conversation_id)

    def list_conversations(
        self, account_id: uuid.UUID, limit: int = MAX_LISTED, after: tuple[datetime, str] | None = None
    ) -> list[Conversation]:
        """The account's conversations, the newest message first; one without messages counts by its creation.

        With `after` those behind the one that was active then and has that id.
        """
        with self._database.read_rows() as rows:
            return conversation_rows.newest_of(rows, account_id, limit=limit, after=after)

    def add_participant(self, account_id: uuid.UUID, conversation_id: str, name: object) -> list[str]:
        """Let an account into a group; only the owner may. The names of all participants.

        Raises NotFound, NotParticipant, Forbidden, InvalidRequest for a dm. What was said before counts as read.
        """
        with self._database.write_rows() as rows:
            locked = conversation_rows.lock(rows, conversation_id)
            present = _present(rows, conversation_id, account_id)
            if locked.kind is not ConversationKind.GROUP:
                raise InvalidRequest("Participants can be added to groups only")
            if locked.owner_id != account_id:
                raise Forbidden("Only the owner of the group can add participants")
            (added_id,) = conversation_rows.get_accounts(rows, [parse_account_name(name)])
            if all(person.account_id != added_id for person in present):
                _check_size(len(present) + 1)
                now = self._now()
                conversation_rows.join(rows, conversation_id, [added_id], read_seq=locked.last_seq, joined_at=now)
                name = unicodedata.normalize("NFC", str(name))
                record(rows, Action.CONVERSATION_JOINED, conversation_id, {"participant": name}, at=now)
            return [person.name for person in conversation_rows.named(rows, [conversation_id])]

    def remove_participant(self, account_id: uuid.UUID, conversation_id: str, name: str) -> list[str]:
        """Take an account out: anybody themselves, the owner of a group everybody. The names of those who stay.

        Raises NotFound, NotParticipant, Forbidden. Where the owner leaves, who has been there longest owns the group.
        """
        with self._database.write_rows() as rows:
            locked = conversation_rows.lock(rows, conversation_id)
            present = _present(rows, conversation_id, account_id)
            removed_id = next(
                (person.account_id for person in present if person.name == unicodedata.normalize("NFC", name)), None
            )
            if removed_id != account_id and locked.owner_id != account_id:
                raise Forbidden("Only the owner of the group can remove others")
            if removed_id is None:
                raise NotFound("Participant not found")
            conversation_rows.leave(rows, conversation_id, removed_id)
            staying = [person for person in present if person.account_id != removed_id]
            if removed_id == locked.owner_id:
                heir_id = staying[0].account_id if staying else None
                conversation_rows.give_away(rows, conversation_id, owner_id=heir_id)
            left = unicodedata.normalize("NFC", name)
            record(rows, Action.CONVERSATION_LEFT, conversation_id, {"participant": left}, at=self._now())
        return [person.name for person in staying]

    def require_participant(self, account_id: uuid.UUID, conversation_id: str) -> None:
        """Raises NotFound where there is no such conversation, NotParticipant where the account is not in it."""
        with self._database.read_rows() as rows:
            conversation_rows.require(rows, conversation_id, account_id)

    def participant_ids(self, conversation_id: str) -> tuple[uuid.UUID, ...]:
        """Everybody who is in a conversation."""
        with self._database.read_rows() as rows:
            return conversation_rows.account_ids(rows, conversation_id)


def _tell_beginning(rows: Executor, conversation_id: str, kind: ConversationKind, *, at: datetime, **more: Any) -> None:
    participants = [person.name for person in conversation_rows.named(rows, [conversation_id])]
    details = {"type": kind.value, "participants": participants, **more}
    record(rows, Action.CONVERSATION_CREATED, conversation_id, details, at=at)


def _check_size(participants: int) -> None:
    if participants > MAX_PARTICIPANTS:
        raise InvalidRequest(f"A group has at most {MAX_PARTICIPANTS} participants")


def _present(rows: Executor, conversation_id: str, account_id: uuid.UUID) -> Sequence[Row[Any]]:
    """The participants in the order of joining. Raises NotParticipant where the account is not among them."""
    present = conversation_rows.named(rows, [conversation_id])
    if all(person.account_id != account_id for person in present):
        raise NotParticipant
    return present
