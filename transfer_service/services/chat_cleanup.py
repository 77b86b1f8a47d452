"""What conversations leave behind: attachments without a message, and conversations without a participant."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from transfer_service.database import Database
from transfer_service.models import Conversation, Message, Participant
from transfer_service.offload import Offload
from transfer_service.services.space import Space
from transfer_service.storage.attachments import AttachmentFacts, AttachmentStore

ORPHAN_AGE = timedelta(hours=1)
BATCH = 500


class ChatCleanup:
    """Both kinds of removal, each thing by itself; both give the bytes they freed, or in a dry run would free."""

    def __init__(
        self,
        *,
        database: Database,
        store: AttachmentStore,
        space: Space,
        offload: Offload,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._store = store
        self._space = space
        self._offload = offload
        self._now = now

    def remove_orphaned_attachments(self, *, dry_run: bool) -> Iterator[int]:
        """Bytes whose message was never posted or is deleted. A message is posted while its attachment is in use."""
        youngest = self._now() - ORPHAN_AGE
        for batch in self._batches():
            old = {each.message_id: each for each in batch if each.modified_at < youngest}
            has_attachment = Message.id.in_(old) & Message.filename.is_not(None)
            with self._database.read() as session:
                known = set(session.scalars(select(Message.id).where(has_attachment)))
            for message_id in old.keys() - known:
                if not self._store.is_in_use(message_id):
                    yield old[message_id].stored_bytes if dry_run else self._discard(message_id)

    def remove_abandoned_conversations(self, *, dry_run: bool) -> Iterator[int]:
        """Conversations that everybody has left, with all that was said and sent in them."""
        is_abandoned = ~select(Participant.account_id).where(Participant.conversation_id == Conversation.id).exists()
        with self._database.read() as session:
            candidates = session.scalars(select(Conversation.id).where(is_abandoned)).all()
        for conversation_id in candidates:
            if dry_run:
                yield 0
                continue
            with self._database.write() as session:
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
            of_conversation, Message.filename.is_not(None)
        )
        sent = session.execute(has_attachment).all()
        used: Counter[uuid.UUID] = Counter()
        for each in sent:
            used[each.sender_id] += each.length or 0
        for sender_id in sorted(used):
            self._space.reserve(session, sender_id, -used[sender_id])
        session.execute(delete(Message).where(of_conversation))
        session.execute(delete(Conversation).where(Conversation.id == conversation_id))
        return [each.id for each in sent]

    def _discard(self, message_id: str) -> int:
        return self._offload(lambda: self._store.delete(message_id))

    def _batches(self) -> Iterator[list[AttachmentFacts]]:
        attachments = self._store.list_attachments()
        while batch := self._offload(lambda: list(islice(attachments, BATCH))):
            yield batch
