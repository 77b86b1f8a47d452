"""Posting messages and paging through them."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import text

from tests.services.chat.bench import PHOTO, QUOTA_BYTES, UNKNOWN_ID, Chat
from transfer_service.db.database import Executor
from transfer_service.errors import InvalidRequest, NotFound, NotParticipant, QuotaExceeded, TransferError
from transfer_service.services.chat.events import ChatEvent, MessagePosted
from transfer_service.services.chat.message_rows import Message
from transfer_service.wire.attachments import MessageType


def contents(messages: list[Message]) -> list[str | None]:
    return [message.content for message in messages]


def recipients(chat: Chat, *names: str) -> set[object]:
    return {chat.id_of(name) for name in names}


# Posting


def test_a_text_is_stored_as_it_was_written(any_chat: Chat) -> None:
    conversation_id = any_chat.direct()
    posted = any_chat.post(conversation_id, "  Grüße 🙂\n")
    assert posted == Message(
        id=posted.id,
        conversation_id=conversation_id,
        sender="alice",
        sender_id=any_chat.id_of("alice"),
        content="  Grüße 🙂\n",
        type=MessageType.TEXT,
        attachment=None,
        reply_to=None,
        is_read=False,
        is_deleted=False,
        created_at=any_chat.clock(),
        edited_at=None,
        pinned=False,
    )
    assert any_chat.history(conversation_id, "bob") == [posted]


def test_an_attachment_is_stored_with_its_caption_and_counts_against_the_quota(any_chat: Chat) -> None:
    conversation_id, message_id = any_chat.direct(), any_chat.messages.new_id()
    found_by_record: list[int] = []

    def record(rows: Executor) -> None:  # in the transaction of the message
        found_by_record.append(len(rows.execute(text("SELECT id FROM messages")).all()))

    posted = any_chat.post(conversation_id, "look", message_id=message_id, attachment=PHOTO, record=record)
    assert found_by_record == [1]
    assert (posted.id, posted.type, posted.attachment, posted.content) == (message_id, "image", PHOTO, "look")
    assert any_chat.history(conversation_id, "bob") == [posted]
    assert (any_chat.used_bytes("alice"), any_chat.used_bytes("bob")) == (PHOTO.length, 0)


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_an_attachment_needs_no_caption(chat: Chat, content: str | None) -> None:
    conversation_id = chat.direct()
    chat.post(conversation_id, content, attachment=PHOTO)
    assert contents(chat.history(conversation_id)) == [None]


def test_a_post_is_told_to_everybody_who_is_in_the_conversation(any_chat: Chat) -> None:
    conversation_id = any_chat.group("bob", "carol", "dave")
    any_chat.conversations.remove_participant(any_chat.id_of("alice"), conversation_id, "carol")
    posted = any_chat.post(conversation_id)
    (event,) = any_chat.events
    assert event == MessagePosted(event.recipients, posted)
    assert set(event.recipients) == recipients(any_chat, "alice", "bob", "dave")


def test_an_event_comes_after_the_commit_and_its_failure_undoes_nothing(any_chat: Chat) -> None:
    conversation_id = any_chat.direct()
    seen: list[str | None] = []

    def publish(event: ChatEvent) -> None:
        seen.extend(contents(any_chat.history(conversation_id)))
        raise ConnectionError(event)

    with pytest.raises(ConnectionError):
        any_chat.message_service(publish).post(any_chat.id_of("bob"), conversation_id, content="hello")
    assert seen == contents(any_chat.history(conversation_id)) == ["hello"]


@pytest.mark.parametrize(
    ("fields", "error", "detail"),
    [
        pytest.param({"content": ""}, InvalidRequest, "content must not be empty", id="empty"),
        pytest.param({"content": None}, InvalidRequest, "content must be a string", id="none"),
        pytest.param({"content": "a\0b"}, InvalidRequest, "content must not contain NUL", id="nul"),
        pytest.param({"content": 7, "attachment": PHOTO}, InvalidRequest, "content must be a string", id="caption"),
        pytest.param({"reply_to": UNKNOWN_ID}, NotFound, "Reply target not found", id="reply-to-nothing"),
        pytest.param(
            {"attachment": replace(PHOTO, length=QUOTA_BYTES + 1)}, QuotaExceeded, "quota exceeded", id="no-room"
        ),
        pytest.param({"sender": "carol"}, NotParticipant, "not a participant in this conversation", id="outsider"),
    ],
)
def test_a_refused_post_changes_nothing(
    any_chat: Chat, fields: dict[str, object], error: type[TransferError], detail: str
) -> None:
    conversation_id = any_chat.direct()
    before = any_chat.post(conversation_id, "before")
    any_chat.clock.advance(seconds=1)
    with pytest.raises(error, match=detail):
        any_chat.post(conversation_id, **fields)  # type: ignore[arg-type]
    assert any_chat.info(conversation_id).last_message == before
    assert (any_chat.used_bytes("alice"), len(any_chat.events)) == (0, 1)


def test_a_post_into_no_conversation_is_refused(chat: Chat) -> None:
    with pytest.raises(NotFound, match="Conversation not found"):
        chat.post(UNKNOWN_ID)
    assert chat.events == []


def test_a_reply_names_a_message_of_the_same_conversation(any_chat: Chat) -> None:
    here, elsewhere = any_chat.direct(), any_chat.direct("alice", "carol")
    target, foreign = any_chat.post(here), any_chat.post(elsewhere)
    with pytest.raises(NotFound):
        any_chat.post(here, reply_to=foreign.id)
    any_chat.post(here, "yes", sender="bob", reply_to=target.id)
    assert [message.reply_to for message in any_chat.history(here)] == [target.id, None]


@pytest.mark.parametrize(
    ("name", "conversation", "reply_to", "error"),
    [
        pytest.param("carol", None, None, NotParticipant, id="outsider"),
        pytest.param("alice", UNKNOWN_ID, None, NotFound, id="no-conversation"),
        pytest.param("alice", None, UNKNOWN_ID, NotFound, id="no-reply-target"),
    ],
)
def test_a_check_before_the_upload_refuses_what_a_post_would(
    chat: Chat, name: str, conversation: str | None, reply_to: str | None, error: type[TransferError]
) -> None:
    conversation_id = chat.direct()
    target = chat.post(conversation_id)
    chat.messages.check_post(chat.id_of("bob"), conversation_id, target.id)
    with pytest.raises(error):
        chat.messages.check_post(chat.id_of(name), conversation or conversation_id, reply_to)


def test_posts_from_many_at_once_get_a_number_each(any_chat: Chat) -> None:
    conversation_id, senders = any_chat.direct(), [any_chat.id_of("alice"), any_chat.id_of("bob")] * 3
    start = threading.Barrier(len(senders))

    def post(number: int) -> None:
        start.wait()
        for turn in range(5):
            any_chat.messages.post(senders[number], conversation_id, content=f"{number}.{turn}")

    threads = [threading.Thread(target=post, args=[number]) for number in range(len(senders))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = contents(any_chat.history(conversation_id, limit=100))
    assert sorted(str(content) for content in found) == [f"{number}.{turn}" for number in range(6) for turn in range(5)]


# Paging


def test_pages_go_back_in_time_without_gaps(any_chat: Chat) -> None:
    conversation_id = any_chat.direct()
    posted = [any_chat.post(conversation_id, str(number)) for number in range(5)]
    any_chat.post(any_chat.direct("alice", "carol"), "elsewhere")
    pages = [any_chat.history(conversation_id, "bob", limit=2)]
    while pages[-1]:
        pages.append(any_chat.history(conversation_id, "bob", limit=2, before=pages[-1][-1].id))
    assert [contents(page) for page in pages] == [["4", "3"], ["2", "1"], ["0"], []]
    assert [message for page in pages for message in page] == posted[::-1]


def test_a_page_begins_behind_a_message_of_the_conversation_only(chat: Chat) -> None:
    conversation_id, foreign = chat.direct(), chat.post(chat.direct("alice", "carol"))
    for before in (UNKNOWN_ID, foreign.id):
        with pytest.raises(NotFound, match="Message not found"):
            chat.history(conversation_id, before=before)


def test_only_participants_page(chat: Chat) -> None:
    conversation_id = chat.direct()
    with pytest.raises(NotParticipant):
        chat.history(conversation_id, "carol")
    with pytest.raises(NotFound):
        chat.history(UNKNOWN_ID)


# Fetching an attachment


def test_a_participant_finds_an_attachment(any_chat: Chat) -> None:
    posted = any_chat.post(any_chat.direct(), None, attachment=PHOTO)
    assert any_chat.messages.get_attachment(any_chat.id_of("bob"), posted.id, "photo.JPG")[0] == PHOTO


def test_an_outsider_is_refused_an_attachment(chat: Chat) -> None:
    posted = chat.post(chat.direct(), None, attachment=PHOTO)
    with pytest.raises(NotParticipant):
        chat.messages.get_attachment(chat.id_of("carol"), posted.id, "photo.JPG")


@pytest.mark.parametrize(
    ("message_id", "filename"),
    [
        pytest.param(None, "other.jpg", id="another-name"),
        pytest.param(None, "photo.jpg", id="another-case"),
        pytest.param(UNKNOWN_ID, "photo.JPG", id="no-message"),
        pytest.param("\0\udcff", "photo.JPG", id="no-id"),
    ],
)
def test_what_is_no_attachment_is_not_found(any_chat: Chat, message_id: str | None, filename: str) -> None:
    posted = any_chat.post(any_chat.direct(), None, attachment=PHOTO)
    with pytest.raises(NotFound, match="File not found"):
        any_chat.messages.get_attachment(any_chat.id_of("bob"), message_id or posted.id, filename)


def test_a_text_has_no_attachment(chat: Chat) -> None:
    posted = chat.post(chat.direct())
    with pytest.raises(NotFound, match="File not found"):
        chat.messages.get_attachment(chat.id_of("bob"), posted.id, "None")
