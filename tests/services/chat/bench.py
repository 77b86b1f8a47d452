"""The chat services on a bench: accounts by name, and every event that was published."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from tests.services.conftest import Bench
from transfer_service.models.accounts import Account
from transfer_service.services.chat.conversation_rows import Conversation
from transfer_service.services.chat.conversations import ConversationService
from transfer_service.services.chat.events import ChatEvent
from transfer_service.services.chat.message_rows import Message
from transfer_service.services.chat.messages import MessageService
from transfer_service.services.core import Space
from transfer_service.wire.attachments import Attachment
from transfer_service.wire.chat import new_chat_id

PHOTO = Attachment(filename="photo.JPG", media_type="image/jpeg", length=600, sha256="ab" * 32)
QUOTA_BYTES = 1000
UNKNOWN_ID = "0" * 24


@dataclass
class Chat:
    """`alice` is the bench's account; `bob`, `carol` and `dave` are added."""

    bench: Bench
    events: list[ChatEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database, self.clock = self.bench.services.database, self.bench.clock
        self.add_accounts("bob", "carol", "dave")
        self.conversations = self.conversation_service()
        self.messages = self.message_service(publish=self.events.append)

    def conversation_service(self, make_id: Callable[[datetime], str] = new_chat_id) -> ConversationService:
        return ConversationService(self.bench.services.core, make_id=make_id)

    def message_service(self, publish: Callable[[ChatEvent], None]) -> MessageService:
        space = Space(max_file_bytes=QUOTA_BYTES, quota_bytes=QUOTA_BYTES)
        return MessageService(replace(self.bench.services.core, space=space), publish=publish)

    def add_accounts(self, *names: str) -> None:
        with self.database.write() as session:
            session.add_all(
                Account(id=uuid.uuid4(), name=name, password_hash="!", created_at=self.clock()) for name in names
            )

    def id_of(self, name: str) -> uuid.UUID:
        with self.database.read() as session:
            return session.scalars(select(Account.id).where(Account.name == name)).one()

    def used_bytes(self, name: str) -> int:
        with self.database.read() as session:
            return session.scalars(select(Account.used_bytes).where(Account.name == name)).one()

    def direct(self, name: str = "alice", other: str = "bob") -> str:
        """A dm."""
        return self.conversations.create_direct(self.id_of(name), other)[0]

    def group(self, *names: str, owner: str = "alice", group_name: str = "team") -> str:
        return self.conversations.create_group(self.id_of(owner), group_name, list(names))

    def info(self, conversation_id: str, name: str = "alice") -> Conversation:
        return self.conversations.get_info(self.id_of(name), conversation_id)

    def post(self, conversation_id: str, content: object = "hello", *, sender: str = "alice", **more: Any) -> Message:
        return self.messages.post(self.id_of(sender), conversation_id, content=content, **more)

    def history(self, conversation_id: str, name: str = "alice", *, limit: int = 30, **more: Any) -> list[Message]:
        return self.messages.history(self.id_of(name), conversation_id, limit=limit, **more)

    def changes(
        self, conversation_id: str, since: int | None = None, name: str = "alice", *, limit: int = 100
    ) -> tuple[list[Message], int]:
        """What has changed since, and up to where."""
        return self.messages.changes(self.id_of(name), conversation_id, since=since, limit=limit)

    def last(self, conversation_id: str) -> Message:
        """The newest message as it is stored."""
        return self.history(conversation_id, limit=1)[0]
