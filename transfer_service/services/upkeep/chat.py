"""What chat leaves behind: conversations without a participant."""

import uuid
from collections import Counter
from collections.abc import Iterator

from sqlalchemy import delete, select

from transfer_service.models.chat import Conversation, Message, Participant
from transfer_service.services.core import Core
from transfer_service.services.events.actions import Action
from transfer_service.services.events.audit import record
from transfer_service.services.files import discards

BATCH = 500

_is_abandoned = ~select(Participant.account_id).where(Participant.conversation_id == Conversation.id).exists()


class ChatCleanup:
    """Removes conversations, in short transactions: nobody else can write meanwhile."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._store = core.attachments
        self._space = core.space
        self._now = core.now

    def remove_abandoned_conversations(self, *, dry_run: bool) -> Iterator[int]:
        """Conversations that everybody has left, with all that was said and sent in them. The bytes each one frees, or
        in a dry run 0.
        """
        with self._database.read() as session:
            candidates = session.scalars(select(Conversation.id).where(_is_abandoned)).all()
        for conversation_id in candidates:
            freed_bytes = 0 if dry_run else self.remove_if_abandoned(conversation_id)
            if freed_bytes is not None:
                yield freed_bytes

    def remove_if_abandoned(self, conversation_id: str) -> int | None:
        """Remove one that everybody has left, and tell the bytes that this frees; None where somebody is in it."""
        if not self._detach(conversation_id):
            return None
        freed_bytes = 0
        while (message_ids := self._remove_some(conversation_id)) is not None:
            freed_bytes += sum(map(self._store.delete, message_ids))
        return freed_bytes

    def _detach(self, conversation_id: str) -> bool:
        """Let nobody come back, unless somebody is: who begins to talk to the other one again gets a new dm."""
        with self._database.write() as session:
            conversation = session.get(Conversation, conversation_id, with_for_update=True)
            abandoned = select(Conversation.id).where(Conversation.id == conversation_id, _is_abandoned)
            if conversation is None or session.scalar(abandoned) is None:
                return False
            conversation.pair_key = None
            return True

    def _remove_some(self, conversation_id: str) -> list[str] | None:
        """Delete some messages and give their room back: the ids of those whose attachments are to be discarded.

        None when there was none any more, and the conversation is gone too.
        """
        columns = (Message.id, Message.sender_id, Message.length, Message.filename)
        some = select(*columns).where(Message.conversation_id == conversation_id).limit(BATCH)
        with self._database.write(durable=True) as session:  # or messages may come back without their bytes
            if session.get(Conversation, conversation_id, with_for_update=True) is None:  # another run was faster
                return None
            found = session.execute(some).all()
            if not found:
                session.execute(delete(Conversation).where(Conversation.id == conversation_id))
                record(session, Action.CONVERSATION_DELETED, conversation_id, {"abandoned": True}, at=self._now())
                return None
            sent = [each for each in found if each.filename is not None and each.sender_id is not None]
            used: Counter[uuid.UUID] = Counter()
            for each in sent:
                used[each.sender_id] += each.length or 0
            for sender_id in sorted(used):
                self._space.reserve(session, sender_id, -used[sender_id])
            discards.remember_for_good(session, [each.id for each in sent])
            session.execute(delete(Message).where(Message.id.in_([each.id for each in found])))
            return [each.id for each in sent]
