"""What chat leaves behind: conversations without a participant."""

import uuid
from collections import Counter
from collections.abc import Iterator

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from transfer_service.db.database import Database
from transfer_service.models.chat import Conversation, Message, Participant
from transfer_service.services.files import discards
from transfer_service.services.limits import Space
from transfer_service.storage.attachments import AttachmentStore
from transfer_service.threads import Offload


class ChatCleanup:
    """Removes conversations, each by itself."""

    def __init__(
        self,
        *,
        database: Database,
        store: AttachmentStore,
        space: Space,
        offload: Offload,
    ) -> None:
        self._database = database
        self._store = store
        self._space = space
        self._offload = offload

    def remove_abandoned_conversations(self, *, dry_run: bool) -> Iterator[int]:
        """Conversations that everybody has left, with all that was said and sent in them. The bytes each one frees, or
        in a dry run 0.
        """
        is_abandoned = ~select(Participant.account_id).where(Participant.conversation_id == Conversation.id).exists()
        with self._database.read() as session:
            candidates = session.scalars(select(Conversation.id).where(is_abandoned)).all()
        for conversation_id in candidates:
            if dry_run:
                yield 0
                continue
            with self._database.write(durable=True) as session:  # or messages may come back without their bytes
                session.get(Conversation, conversation_id, with_for_update=True)
                abandoned = select(Conversation.id).where(Conversation.id == conversation_id, is_abandoned)
                if session.scalar(abandoned) is None:  # somebody is back
                    continue
                message_ids = self._remove_rows(session, conversation_id)
            yield sum(map(self._discard, message_ids))

    def _remove_rows(self, session: Session, conversation_id: str) -> list[str]:
        """Delete a conversation's facts and give the room back. The messages whose attachments are to be discarded."""
        of_conversation = Message.conversation_id == conversation_id
        has_attachment = select(Message.id, Message.sender_id, Message.length).where(
            of_conversation, Message.filename.is_not(None), Message.sender_id.is_not(None)
        )
        sent = session.execute(has_attachment).all()
        used: Counter[uuid.UUID] = Counter()
        for each in sent:
            used[each.sender_id] += each.length or 0
        for sender_id in sorted(used):
            self._space.reserve(session, sender_id, -used[sender_id])
        discards.remember(session, [each.id for each in sent])
        session.execute(delete(Message).where(of_conversation))
        session.execute(delete(Conversation).where(Conversation.id == conversation_id))
        return [each.id for each in sent]

    def _discard(self, message_id: str) -> int:
        return self._offload(lambda: self._store.delete(message_id))
