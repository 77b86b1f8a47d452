"""Conversations: who is in them, what is said, and saying something, with a file where there is one.

What is said twice because an answer was lost counts once: each message has a key that the service knows it by.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from transfer_service_client.connection.addresses import encode_label
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import Conflict, as_expected
from transfer_service_client.models import parse_instant

_PAGE = 100
_UNDER_WAY = "Idempotency-Key is under way"
POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Attachment:
    """A file in a message; `path` is where it is at the service."""

    name: str
    content_type: str
    size: int
    sha256: str
    path: str


@dataclass(frozen=True)
class Message:
    """Something said. `kind` is text, image, video or file; a deleted message has neither text nor attachment."""

    message_id: str
    conversation_id: str
    sender: str
    text: str | None
    kind: str
    attachment: Attachment | None
    reply_to: str | None
    is_read: bool
    is_deleted: bool
    is_pinned: bool
    created_at: datetime
    edited_at: datetime | None

    @classmethod
    @as_expected()
    def from_json(cls, fields: Mapping[str, Any]) -> "Message":
        """The message in an answer of `/messages`."""
        media, edited = fields["media"], fields["edited_at"]
        facts = ("name", "content_type", "size", "sha256")
        attachment = media and Attachment(**{name: media[name] for name in facts}, path=fields["media_url"])
        return cls(
            message_id=fields["_id"],
            conversation_id=fields["conversation_id"],
            sender=fields["sender"],
            text=fields["content"],
            kind=fields["type"],
            attachment=attachment,
            reply_to=fields["reply_to"],
            is_read=fields["is_read"],
            is_deleted=fields["is_deleted"],
            is_pinned=fields["pinned"],
            created_at=parse_instant(fields["created_at"]),
            edited_at=parse_instant(edited) if edited else None,
        )


@dataclass(frozen=True)
class Conversation:
    """Two accounts, or a group, which has a title and an owner."""

    conversation_id: str
    participants: Sequence[str]
    is_group: bool
    title: str | None
    owner: str | None
    created_at: datetime
    last_message: Message | None

    @classmethod
    @as_expected()
    def from_json(cls, fields: Mapping[str, Any]) -> "Conversation":
        """The conversation in an answer of `/conversations`."""
        last = fields["last_message"]
        return cls(
            conversation_id=fields["_id"],
            participants=fields["participants"],
            is_group=fields["type"] == "group",
            title=fields["group_name"],
            owner=fields["owner"],
            created_at=parse_instant(fields["created_at"]),
            last_message=Message.from_json(last) if last else None,
        )


def conversations(session: Session) -> Iterator[Conversation]:
    """The account's conversations, those with the newest message first."""
    for page in session.get_pages("/conversations", "conversations", limit=_PAGE):
        yield from (Conversation.from_json(each) for each in page["conversations"])


def conversation_with(session: Session, name: str) -> str:
    """The id of the conversation with another account, which is made where there is none. Raises NotFound, ApiError."""
    answer = session.request("POST", "/conversations/create", json={"email": name}, is_repeatable=True)
    with as_expected():
        return str(answer.json()["conversation_id"])


def messages(session: Session, conversation_id: str) -> Iterator[Message]:
    """What was said, the newest first, fetched as it is asked for."""
    before: str | None = None
    while True:
        page = session.get_json("/messages/get", conversation_id=conversation_id, limit=_PAGE, before=before)
        found = _messages_of(page)
        yield from found
        if len(found) < _PAGE:
            return
        before = found[-1].message_id


def changes(session: Session, conversation_id: str, since: str | None) -> tuple[list[Message], str]:
    """What is new, edited, deleted or pinned since a cursor was given, as it is now, and the next cursor.

    Without `since` a cursor to begin with. Not more than 100 a time: ask again until none come.
    """
    page = session.get_json("/messages/changes", conversation_id=conversation_id, since=since)
    with as_expected():
        return _messages_of(page), page["cursor"]


def _messages_of(page: Mapping[str, Any]) -> list[Message]:
    with as_expected():
        return [Message.from_json(each) for each in page["messages"]]


def follow(
    session: Session,
    conversation_id: str,
    *,
    wait: Callable[[float], object] = time.sleep,
    poll_seconds: float = POLL_SECONDS,
) -> Iterator[Message]:
    """Every message from now on, and those that change, for ever: the service is asked again after each pause.

    `wait` sleeps; where it gives something true, as that of a threading.Event, all ends.
    """
    _, cursor = changes(session, conversation_id, None)
    while True:
        found, cursor = changes(session, conversation_id, cursor)
        yield from found
        if wait(0 if found else poll_seconds):
            return


def post_message(
    session: Session,
    conversation_id: str,
    text: str | None = None,
    *,
    file_id: str | None = None,
    reply_to: str | None = None,
    key: str | None = None,
) -> Message:
    """Say something; `file_id` is a file of one's own, which becomes the attachment and leaves the account's files.

    Whoever gives a `key` of their own may call again with the same message, within 24 hours, without doubling it.
    Raises NotFound, Conflict where the file is not finished, ApiError, Unavailable.
    """
    wanted = {"conversation_id": conversation_id, "content": text, "file_id": file_id, "reply_to": reply_to}
    said = {name: value for name, value in wanted.items() if value is not None}
    headers = {"Idempotency-Key": key or new_key()}
    for pause in session.pauses():
        answer = _post(session, said, headers)
        if not isinstance(answer, Conflict):
            return answer
        if not pause(answer):
            raise session.away(answer) from answer
    raise AssertionError  # the pauses do not end


def _post(session: Session, said: Mapping[str, str], headers: Mapping[str, str]) -> Message | Conflict:
    """The message; the conflict where an earlier try, whose answer was lost, has not ended."""
    try:
        answer = session.request("POST", "/messages", json=said, headers=headers, is_repeatable=True)
    except Conflict as error:
        if _UNDER_WAY in error.detail:
            return error
        raise
    with as_expected():
        return Message.from_json(answer.json()["message"])


def mark_read(session: Session, conversation_id: str) -> None:
    """Everything up to now has been read."""
    session.request("POST", f"/conversations/{encode_label(conversation_id)}/read", is_repeatable=True)


def new_key() -> str:
    """A key that no other message has."""
    return uuid.uuid4().hex
