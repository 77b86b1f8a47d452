"""Removing what conversations leave behind."""

import pytest

from tests.services.chat.bench import Chat
from tests.services.conftest import Bench
from tests.stores import listed, put
from transfer_service.services.upkeep import chat as upkeep_chat
from transfer_service.services.upkeep.cleanup import Report
from transfer_service.storage.blobs import WHOLE, BlobStore
from transfer_service.wire.attachments import Attachment

DATA = b"x" * 300


@pytest.fixture
def chat(bench: Bench) -> Chat:
    return Chat(bench)


def store_of(chat: Chat) -> BlobStore:
    store: BlobStore = chat.bench.services.attachments._store
    return store


def stored(chat: Chat, message_id: str) -> None:
    """Bytes of an attachment."""
    put(store_of(chat), f"{message_id}/photo.JPG", DATA)


def lying_there(chat: Chat) -> set[str]:
    return {each.key for each in listed(store_of(chat))}


def posted(chat: Chat, conversation_id: str) -> str:
    """A message with its attachment."""
    message_id = chat.messages.new_id()
    stored(chat, message_id)
    chat.post(conversation_id, None, message_id=message_id, attachment=Attachment("photo.JPG", "image/jpeg", 300, "ab"))
    return message_id


def cleanup(chat: Chat, *, dry_run: bool = False) -> Report:
    return chat.bench.services.cleanup.run(dry_run=dry_run, even_many=True)


def test_an_attachment_without_a_message_goes_after_an_hour(chat: Chat) -> None:
    orphan, kept = chat.messages.new_id(), posted(chat, chat.direct())
    stored(chat, orphan)
    chat.clock.advance(minutes=50)
    assert cleanup(chat).removed.orphaned_attachments.count == 0
    chat.clock.advance(minutes=20)
    assert cleanup(chat).removed.orphaned_attachments.count == 1
    assert lying_there(chat) == {kept}


def test_an_attachment_that_is_being_written_stays(chat: Chat) -> None:
    message_id = chat.messages.new_id()
    with store_of(chat).open_writer(f"{message_id}/film.mp4", WHOLE, create=True, wait_seconds=0) as writer:
        writer.write(0, [DATA])
        chat.clock.advance(hours=5)
        assert cleanup(chat).removed.orphaned_attachments.count == 0
    assert lying_there(chat) == {message_id}


def test_the_attachment_of_a_deleted_message_goes(chat: Chat) -> None:
    message_id = posted(chat, chat.direct())
    chat.messages.delete(chat.id_of("alice"), message_id)  # and then a crash, before the bytes were freed
    chat.clock.advance(hours=2)
    report = cleanup(chat)
    assert (report.removed.unfinished_deletions.count, lying_there(chat)) == (1, set())
    assert report.removed.unfinished_deletions.bytes >= len(DATA)


def test_an_upload_that_was_killed_leaves_no_orphan(chat: Chat) -> None:
    """Its bytes were nobody's, and this database knows."""
    message_id = chat.bench.services.messages.announce_attachment()
    stored(chat, message_id)
    chat.clock.advance(minutes=50)
    report = chat.bench.services.cleanup.run()
    assert (report.removed.unfinished_deletions.count, lying_there(chat)) == (0, {message_id})
    chat.clock.advance(minutes=20)
    report = chat.bench.services.cleanup.run()
    assert (report.removed.unfinished_deletions.count, report.left.count, lying_there(chat)) == (1, 0, set())


def test_an_upload_that_takes_hours_is_left_alone_and_stays_when_it_is_posted(chat: Chat) -> None:
    messages = chat.bench.services.messages
    message_id = messages.announce_attachment()
    with store_of(chat).open_writer(f"{message_id}/film.mp4", WHOLE, create=True, wait_seconds=0) as writer:
        writer.write(0, [DATA])
        chat.clock.advance(hours=5)
        cleanup(chat)
        attachment = Attachment("film.mp4", "video/mp4", len(DATA), "ab" * 32)
        messages.post(chat.id_of("alice"), chat.direct(), content=None, message_id=message_id, attachment=attachment)
    for _ in range(2):
        assert cleanup(chat).removed.unfinished_deletions.count == 0
        chat.clock.advance(hours=5)
    assert lying_there(chat) == {message_id}


def test_a_conversation_that_everybody_has_left_goes_with_its_attachments_and_its_room(chat: Chat) -> None:
    conversation_id, kept = chat.group("bob"), posted(chat, chat.direct())
    posted(chat, conversation_id)
    for name in ("alice", "bob"):
        chat.conversations.remove_participant(chat.id_of(name), conversation_id, name)
    before = chat.used_bytes("alice")
    report = cleanup(chat)
    assert (report.removed.abandoned_conversations.count, lying_there(chat)) == (1, {kept})
    assert before - chat.used_bytes("alice") == 300
    assert cleanup(chat) == Report()


def test_a_dry_run_tells_and_removes_nothing(chat: Chat) -> None:
    stored(chat, chat.messages.new_id())
    conversation_id = chat.group()
    chat.conversations.remove_participant(chat.id_of("alice"), conversation_id, "alice")
    chat.clock.advance(hours=2)
    dry = cleanup(chat, dry_run=True)
    assert (dry.removed.orphaned_attachments.count, dry.removed.abandoned_conversations.count) == (1, 1)
    assert len(lying_there(chat)) == 1
    assert cleanup(chat).removed.abandoned_conversations.count == 1


def test_a_removal_that_was_killed_is_completed_and_nobody_comes_back_meanwhile(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id = chat.direct()
    for _ in range(2):
        posted(chat, conversation_id)
    for name in ("alice", "bob"):
        chat.conversations.remove_participant(chat.id_of(name), conversation_id, name)
    with monkeypatch.context() as killed:
        killed.setattr(upkeep_chat, "BATCH", 1)
        killed.setattr(store_of(chat), "delete", lambda _key: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            cleanup(chat)
    assert chat.used_bytes("alice") == 300
    assert chat.direct() != conversation_id
    assert cleanup(chat).removed.abandoned_conversations.count == 1
    chat.clock.advance(hours=2)
    cleanup(chat)
    assert (chat.used_bytes("alice"), lying_there(chat)) == (0, set())
