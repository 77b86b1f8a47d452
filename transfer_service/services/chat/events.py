"""What the chat services publish after the commit; `recipients` were in the conversation at that moment.

`seq` is the number of the message that is told of, or the newest that was read: others may hear of both from different
instances, and in their order all the same.
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from transfer_service.services.chat.message_rows import Message


@dataclass(frozen=True, slots=True)
class MessagePosted:
    """There is a new message."""

    recipients: tuple[uuid.UUID, ...]
    message: Message
    seq: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """The content of a message was replaced."""

    recipients: tuple[uuid.UUID, ...]
    message: Message
    seq: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class MessagePinned:
    """A message was pinned, or its pin was taken away: `message.pinned` tells."""

    recipients: tuple[uuid.UUID, ...]
    message: Message
    seq: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    """A message has lost its content and its attachment."""

    recipients: tuple[uuid.UUID, ...]
    message_id: str
    conversation_id: str
    seq: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class MessagesRead:
    """A participant has read everything up to `read_at`."""

    recipients: tuple[uuid.UUID, ...]
    conversation_id: str
    reader: str
    read_at: datetime
    seq: int = field(default=0, compare=False)


ChatEvent: TypeAlias = MessagePosted | MessageEdited | MessagePinned | MessageDeleted | MessagesRead
