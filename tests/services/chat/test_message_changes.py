"""Editing, pinning, deleting and reading messages."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.services.chat.bench import PHOTO, UNKNOWN_ID, Chat
from transfer_service.errors import Forbidden, InvalidRequest, NotFound, NotParticipant, TransferError
from transfer_service.services.chat.events import MessageDeleted, MessageEdited, MessagePinned, MessagesRead

CHANGES: dict[str, Callable[..., object]] = {
    "edit": lambda chat, name, message_id: chat.messages.edit(chat.id_of(name), message_id, "changed"),
    "pin": lambda chat, name, message_id: chat.messages.set_pinned(chat.id_of(name), message_id, True),
    "delete": lambda chat, name, message_id: chat.messages.delete(chat.id_of(name), message_id),
}


def read(chat: Chat, conversation_id: str, name: str) -> None:
    chat.messages.mark_read(chat.id_of(name), conversation_id)


@pytest.mark.parametrize(
    ("change", "name", "known", "error", "detail"),
    [
        pytest.param("edit", "bob", True, Forbidden, "You can only edit your own messages", id="edit-anothers"),
        pytest.param("delete", "bob", True, Forbidden, "You can only delete your own messages", id="delete-anothers"),
        *(
            pytest.param(change, "carol", True, NotParticipant, "You are not a participant", id=f"{change}-outside")
            for change in CHANGES
        ),
        *(
            pytest.param(change, "alice", False, NotFound, "Message not found", id=f"{change}-nothing")
            for change in CHANGES
        ),
    ],
)
def test_a_refused_change_changes_nothing(
    chat: Chat, change: str, name: str, known: bool, error: type[TransferError], detail: str
) -> None:
    message = chat.post(conversation_id := chat.direct())
    with pytest.raises(error, match=detail):
        CHANGES[change](chat, name, message.id if known else UNKNOWN_ID)
    assert chat.last(conversation_id) == message
    assert len(chat.events) == 1


def test_who_has_left_changes_nothing_any_more(chat: Chat) -> None:
    message = chat.post(conversation_id := chat.group("bob"), sender="bob")
    chat.conversations.remove_participant(chat.id_of("bob"), conversation_id, "bob")
    for change in CHANGES.values():
        with pytest.raises(NotParticipant):
            change(chat, "bob", message.id)
    assert chat.last(conversation_id) == message


# Editing


def test_an_edit_replaces_the_text_and_tells_when(any_chat: Chat) -> None:
    posted = any_chat.post(conversation_id := any_chat.direct())
    any_chat.clock.advance(seconds=5)
    edited = any_chat.messages.edit(any_chat.id_of("alice"), posted.id, "hello!")
    assert edited == replace(posted, content="hello!", edited_at=any_chat.clock())
    assert any_chat.last(conversation_id) == edited
    assert any_chat.events[1:] == [MessageEdited(any_chat.events[0].recipients, edited)]


@pytest.mark.parametrize(("content", "caption"), [("new", "new"), ("", None), (None, None)])
def test_a_caption_may_be_edited_away(chat: Chat, content: str | None, caption: str | None) -> None:
    posted = chat.post(conversation_id := chat.direct(), "old", attachment=PHOTO)
    chat.messages.edit(chat.id_of("alice"), posted.id, content)
    assert chat.last(conversation_id) == replace(posted, content=caption, edited_at=chat.clock())


@pytest.mark.parametrize("content", ["", " ", None, 7])
def test_a_text_cannot_be_edited_away(chat: Chat, content: object) -> None:
    posted = chat.post(conversation_id := chat.direct())
    with pytest.raises(InvalidRequest):
        chat.messages.edit(chat.id_of("alice"), posted.id, content)
    assert chat.last(conversation_id) == posted


# Pinning


def test_anybody_in_the_conversation_pins_and_unpins(any_chat: Chat) -> None:
    posted = any_chat.post(conversation_id := any_chat.direct())
    everybody = any_chat.events[0].recipients
    for pinned in (True, False):
        changed = any_chat.messages.set_pinned(any_chat.id_of("bob"), posted.id, pinned)
        assert changed == any_chat.last(conversation_id) == replace(posted, pinned=pinned)
        assert any_chat.events[-1] == MessagePinned(everybody, changed)
    assert any_chat.info(conversation_id).pinned_message_ids == ()


def test_what_is_pinned_already_is_told_once(chat: Chat) -> None:
    posted = chat.post(chat.direct())
    twice = [chat.messages.set_pinned(chat.id_of("alice"), posted.id, True) for _ in range(2)]
    assert twice == [replace(posted, pinned=True)] * 2
    assert [type(event) for event in chat.events[1:]] == [MessagePinned]


# Deleting


def test_a_deleted_message_keeps_its_row_and_nothing_else(any_chat: Chat) -> None:
    conversation_id = any_chat.direct()
    posted = any_chat.post(conversation_id, "look", attachment=PHOTO)
    any_chat.messages.set_pinned(any_chat.id_of("alice"), posted.id, True)
    deleted, discarded = any_chat.messages.delete(any_chat.id_of("alice"), posted.id)
    assert deleted == replace(posted, content=None, attachment=None, shown=None, is_deleted=True)
    assert any_chat.history(conversation_id, "bob") == [deleted]
    assert (discarded, any_chat.used_bytes("alice")) == (PHOTO, 0)
    assert any_chat.info(conversation_id).pinned_message_ids == ()


def test_a_deletion_is_told_by_id(chat: Chat) -> None:
    posted = chat.post(conversation_id := chat.direct())
    chat.messages.delete(chat.id_of("alice"), posted.id)
    assert chat.events[1:] == [MessageDeleted(chat.events[0].recipients, posted.id, conversation_id)]


def test_a_second_deletion_does_nothing(any_chat: Chat) -> None:
    posted = any_chat.post(any_chat.direct(), None, attachment=PHOTO)
    first, second = (any_chat.messages.delete(any_chat.id_of("alice"), posted.id) for _ in range(2))
    assert second == (first[0], None)
    assert (any_chat.used_bytes("alice"), len(any_chat.events)) == (0, 2)


@pytest.mark.parametrize("change", ["edit", "pin"])
def test_a_deleted_message_cannot_be_changed(chat: Chat, change: str) -> None:
    posted = chat.post(conversation_id := chat.direct())
    deleted, _discarded = chat.messages.delete(chat.id_of("alice"), posted.id)
    with pytest.raises(NotFound, match="Message not found"):
        CHANGES[change](chat, "alice", posted.id)
    assert chat.last(conversation_id) == deleted


def test_the_attachment_of_a_deleted_message_is_gone(chat: Chat) -> None:
    posted = chat.post(chat.direct(), None, attachment=PHOTO)
    chat.messages.delete(chat.id_of("alice"), posted.id)
    with pytest.raises(NotFound, match="File not found"):
        chat.messages.get_attachment(chat.id_of("alice"), posted.id, PHOTO.filename)


# Reading


def test_a_message_is_read_once_every_other_participant_has_read(any_chat: Chat) -> None:
    any_chat.post(conversation_id := any_chat.group("bob", "carol"))
    states = []
    for reader in ("alice", "bob", "carol"):
        read(any_chat, conversation_id, reader)
        states.append(any_chat.last(conversation_id).is_read)
    assert states == [False, False, True]
    any_chat.post(conversation_id)
    assert [message.is_read for message in any_chat.history(conversation_id)] == [False, True]


def test_every_sender_has_readers_of_their_own(chat: Chat) -> None:
    conversation_id = chat.direct()
    chat.post(conversation_id, sender="alice")
    chat.post(conversation_id, sender="bob")
    read(chat, conversation_id, "bob")
    newest_first = chat.history(conversation_id)
    assert [(message.sender, message.is_read) for message in newest_first] == [("bob", False), ("alice", True)]


def test_nobody_has_read_where_nobody_else_is(chat: Chat) -> None:
    chat.post(conversation_id := chat.group())
    read(chat, conversation_id, "alice")
    assert not chat.last(conversation_id).is_read


def test_who_leaves_is_not_waited_for(chat: Chat) -> None:
    chat.post(conversation_id := chat.group("bob", "carol"))
    read(chat, conversation_id, "bob")
    chat.conversations.remove_participant(chat.id_of("carol"), conversation_id, "carol")
    assert chat.last(conversation_id).is_read


def test_the_messages_of_who_has_left_are_read_by_those_who_stay(chat: Chat) -> None:
    chat.post(conversation_id := chat.group("bob", "carol"), sender="carol")
    chat.conversations.remove_participant(chat.id_of("carol"), conversation_id, "carol")
    read(chat, conversation_id, "bob")
    assert not chat.last(conversation_id).is_read
    read(chat, conversation_id, "alice")
    assert chat.last(conversation_id).is_read


def test_reading_is_told_with_the_reader_and_the_instant_where_something_was_unread(any_chat: Chat) -> None:
    conversation_id, everybody = any_chat.direct(), any_chat.events
    any_chat.post(conversation_id)
    any_chat.clock.advance(seconds=5)
    at = [any_chat.messages.mark_read(any_chat.id_of("bob"), conversation_id) for _ in range(2)]
    assert at == [any_chat.clock()] * 2
    assert everybody[1:] == [MessagesRead(everybody[0].recipients, conversation_id, "bob", any_chat.clock())]


def test_only_participants_read(chat: Chat) -> None:
    conversation_id = chat.direct()
    chat.post(conversation_id)
    with pytest.raises(NotParticipant):
        read(chat, conversation_id, "carol")
    with pytest.raises(NotFound):
        read(chat, UNKNOWN_ID, "alice")
    assert len(chat.events) == 1
